package releases_test

import (
	"strings"
	"testing"

	"github.com/chartgate/chartgate/test/harness"
)

// TestHelmPlugins does what docs/helm-users.md says, from an empty folder: get the plugins, verify
// them, unpack them. With them helm 3 and helm 4 get chartgate's own chart, verified by the policy of
// docs/install.md, and no other version of it.
func TestHelmPlugins(t *testing.T) {
	p := published(t)
	s := newStranger(t, p, "CHARTGATE_POLICY=chartgate-release.yaml", "CHARTGATE_PLAIN_HTTP="+p.Registry.Host())
	blocks, err := harness.ReadPage("docs", "helm-users.md")
	if err != nil {
		t.Fatal(err)
	}
	printed := ""
	for _, block := range blocks {
		if strings.Contains(block.Mark, "test/suites/releases") {
			printed += s.do(t, block.Text, false)
		}
	}
	for _, want := range []string{"Verified OK", "chartgate-0.1.0-linux-amd64.tgz: OK", "chartgate-getter-0.1.0-linux-amd64.tgz: OK"} {
		if !strings.Contains(printed, want) {
			t.Errorf("it does not print %q, but\n%s", want, printed)
		}
	}
	s.do(t, verification(t)[1].Text, false) // the policy, of which chartgate says that the test's issuer has no TLS
	s.do(t, "export CHARTGATE_TRUSTED_ROOT=$TRUSTED_ROOT", false)
	for _, helm := range []string{"helm", "helm4"} {
		t.Run(helm, func(t *testing.T) {
			if got := s.do(t, helm+" chartgate version", false); got != "chartgate "+version+"\n" {
				t.Errorf("chartgate version prints %q", got)
			}
			got := s.do(t, helm+" show chart chartgate://ghcr.io/chartgate/charts/chartgate:0.1.0", false)
			if !strings.Contains(got, "\nChart admitted: ") || !strings.Contains(got, digestOf(p.Chart)) || !strings.Contains(got, "image: "+p.Image) {
				t.Errorf("it prints\n%s", got)
			}
			got = s.do(t, helm+" show chart chartgate://ghcr.io/chartgate/charts/chartgate:0.1.1", true)
			if !strings.Contains(got, "\nChart denied (ChartNotFound): ") {
				t.Errorf("of another version it prints\n%s", got)
			}
		})
	}
}
