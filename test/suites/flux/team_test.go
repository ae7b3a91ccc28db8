package flux_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	registrytest "github.com/chartgate/chartgate/test/fixtures/registry"
	"github.com/chartgate/chartgate/test/harness"
)

// team is a namespace, whose editor is jane, and the repository charts/<name> of the registry.
type team struct {
	*site
	*harness.Team
	evil string // digest of a row's chart without a signature
}

var teams atomic.Int64

func newTeam(t *testing.T) *team {
	t.Helper()
	w := theSite(t)
	return &team{site: w, Team: w.NewTeam(t, fmt.Sprintf("team-%d", teams.Add(1)))}
}

// own holds the team's signed charts, elsewhere is below the same policy's pattern, in floating
// tags need not be versions, waived needs no signatures, and abroad is a registry that no policy
// matches.
func (m *team) own() harness.Place       { return m.place(m.registry, "charts/"+m.Name) }
func (m *team) elsewhere() harness.Place { return m.place(m.registry, "charts/"+m.Name+"-elsewhere") }
func (m *team) floating() harness.Place  { return m.place(m.registry, "floating/"+m.Name) }
func (m *team) waived() harness.Place    { return m.place(m.registry, "waived/"+m.Name) }
func (m *team) abroad() harness.Place    { return m.place(m.foreign, "abroad/"+m.Name) }

// place is one whose charts are signed as the policies require.
func (m *team) place(registry *registrytest.Registry, folder string) harness.Place {
	return harness.Place{Signing: harness.Signing{Sigstore: m.sigstore, By: m.key, Registry: registry}, Folder: folder}
}

// reconcile requests a reconciliation, as `flux reconcile` does. Each request needs a text of
// its own.
func (m *team) reconcile(t *testing.T, text, request string) {
	t.Helper()
	m.Annotate(t, text, map[string]string{"reconcile.fluxcd.io/requestedAt": request})
}
