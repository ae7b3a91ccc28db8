package attacks_test

import (
	"strings"
	"testing"
)

// checkWarned runs the attacks on an installation in mode Warn. No write is refused by chartgate, and
// the first one of each row that is denied in mode Enforce is stored, with a warning that has the
// same reasons. After that, the objects are other ones than in mode Enforce, and the API server may
// refuse what it knows better, as the creation of what exists.
func (w *site) checkWarned(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run("in mode Warn: "+r.sentence, func(t *testing.T) {
			for _, object := range w.Objects(t, r.given) {
				w.expect(t, write{by: admin, verb: "create", want: admitted}, object)
			}
			differs := false
			for _, write := range r.writes {
				switch denied := write.want != admitted && write.want != warned; {
				case write.verb == "push":
					w.repush(t, write.object)
				case differs:
					w.isNotRefused(t, write)
				case denied:
					w.isWarned(t, write)
					differs = true
				default:
					w.expect(t, write, w.Object(t, write.object))
				}
			}
		})
	}
}

// isWarned makes a write that is denied in mode Enforce.
func (w *site) isWarned(t *testing.T, r write) {
	t.Helper()
	object := w.Object(t, r.object)
	before := w.version(t, object)
	got, message := w.do(t, r, object)
	if got != warned {
		t.Errorf("%s of %s %s: %q\n%s", r.verb, object.GetKind(), object.GetName(), got, message)
	}
	if stored := w.version(t, object) != before; stored == r.dryRun {
		t.Errorf("%s of %s %s was stored: %t", r.verb, object.GetKind(), object.GetName(), stored)
	}
	for _, denial := range strings.Split(r.want, "; ") {
		reason, _, _ := strings.Cut(denial, " ")
		if !strings.Contains(message, "chartgate would deny this ("+reason+"): ") {
			t.Errorf("no warning with the reason %s:\n%s", reason, message)
		}
	}
}

func (w *site) isNotRefused(t *testing.T, r write) {
	t.Helper()
	object := w.Object(t, r.object)
	got, message := w.do(t, r, object)
	byAPIServer := strings.HasPrefix(got, "not chartgate's: ") && !strings.Contains(got, "webhook")
	if got != admitted && got != warned && !byAPIServer {
		t.Errorf("%s of %s %s: %s\n%s", r.verb, object.GetKind(), object.GetName(), got, message)
	}
}
