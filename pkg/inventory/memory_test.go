package inventory_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/test/harness"
)

// 20,000 objects, most of them with 10 KiB of values and managedFields, take less than 300 MiB of
// heap while they are listed and examined, garbage included.
func TestMemory(t *testing.T) {
	const (
		releases = 19_000
		charts   = 990
		limit    = 300 << 20
	)
	values := strings.Repeat("x", 10<<10)
	s := &apiServer{
		listed: map[string]int{"helmreleases": releases, "helmcharts": charts, "helmrepositories": 10},
		object: func(resource string, at int) string {
			return strings.Replace(numbered(resource, at), `"suspend": true`, fmt.Sprintf(`"values": {"x": %q}`, values), 1)
		},
	}
	at := s.cluster(t)
	var peak uint64
	measure := func() {
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		peak = max(peak, now.HeapInuse)
	}
	at.Listed = func(n int) {
		if n%500 == 0 {
			measure()
		}
	}
	snapshot, err := at.List(t.Context())
	if err != nil || snapshot.Len() != releases+charts+10 {
		t.Fatalf("%v, %d objects", err, snapshot.Len())
	}
	policies := harness.Compile(t, policy.Input{})
	inspector := inventory.New(inventory.Options{
		Gate: gate.New(policies, nil, nil, time.Now), Extractor: source.NewExtractor(snapshot, source.Options{}), Reader: snapshot,
		Judged: true, Timeout: time.Minute, Now: time.Now,
	})
	var rows []inventory.Row
	for row := range inspector.Rows(t.Context(), slices.Values(snapshot.Objects())) {
		if rows = append(rows, row); len(rows)%500 == 0 {
			measure()
		}
	}
	if reference := rows[len(rows)-1].Reference; len(rows) != snapshot.Len() || reference == "" {
		t.Errorf("%d rows, the last is about %q", len(rows), reference)
	}
	t.Logf("%d objects, %d MiB", snapshot.Len(), peak>>20)
	if peak > limit {
		t.Errorf("%d objects took %d MiB of heap, more than %d", snapshot.Len(), peak>>20, limit>>20)
	}
}
