package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// TestConflictsAreNoErrors: of two replicas that write at once, the one that is later says so, and
// every other error is an error.
func TestConflictsAreNoErrors(t *testing.T) {
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "leases"}, "chartgate", errors.New("modified"))
	for _, tc := range []struct {
		sentence, level string
		err             error
		want            string
	}{
		{"a conflict", "info", conflict, "info"},
		{"a conflict with its cause", "info", fmt.Errorf("write the Secret: %w", conflict), "info"},
		{"a conflict, where only errors are logged", "error", conflict, ""},
		{"another error", "info", errors.New("etcd is down"), "error"},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			var out strings.Builder
			log, err := newLogger(&out, tc.level, "json")
			if err != nil {
				t.Fatal(err)
			}
			log.WithName("leaderelection").WithValues("lock", "chartgate").Error(tc.err, "Failed to update lease")
			if tc.want == "" {
				if out.Len() > 0 {
					t.Errorf("it logs %s", out.String())
				}
				return
			}
			var got map[string]any
			if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
				t.Fatal(err)
			}
			delete(got, "ts")
			delete(got, "stacktrace")
			want := map[string]any{
				"level": tc.want, "logger": "leaderelection", "msg": "Failed to update lease", "lock": "chartgate", "error": tc.err.Error(),
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLogger(t *testing.T) {
	for _, c := range []struct {
		level, format string
		want          []string // messages that are shown
	}{
		{"debug", "json", []string{`"msg":"detail"`, `"msg":"news"`, `"msg":"failure"`}},
		{"info", "json", []string{`"msg":"news"`, `"msg":"failure"`}},
		{"error", "json", []string{`"msg":"failure"`}},
		{"info", "text", []string{"\tnews", "\tfailure"}},
	} {
		var out bytes.Buffer
		log, err := newLogger(&out, c.level, c.format)
		if err != nil {
			t.Fatal(err)
		}
		log.V(1).Info("detail")
		log.Info("news")
		log.Error(errors.New("x"), "failure")
		var got []string
		for _, m := range []string{`"msg":"detail"`, `"msg":"news"`, `"msg":"failure"`, "\tdetail", "\tnews", "\tfailure"} {
			if strings.Contains(out.String(), m) {
				got = append(got, m)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s %s: %s", c.level, c.format, diff)
		}
	}
}
