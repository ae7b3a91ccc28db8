package problem_test

import (
	"testing"

	"github.com/chartgate/chartgate/pkg/problem"
)

func TestCommand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"kubectl", "describe", "helmrelease", "-n", "apps", "podinfo"}, "kubectl describe helmrelease -n apps podinfo"},
		{[]string{"kubectl", "-n", "$(reboot)"}, "kubectl -n '$(reboot)'"},
		{[]string{"a", "b'c", "", "d e"}, `a 'b'\''c' '' 'd e'`},
		{[]string{"a;b", "`c`", "d\ne", "~"}, "'a;b' '`c`' 'd\ne' '~'"},
	} {
		if got := problem.Command(c.words...); got != c.want {
			t.Errorf("%s, not %s", got, c.want)
		}
	}
}
