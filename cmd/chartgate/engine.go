package main

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/source"
)

// engine is the decision as every subcommand makes it.
type engine struct {
	gate      *gate.Gate
	extractor *source.Extractor
}

// engineFlags are the flags that decide verdicts. The admin of a cluster and
// somebody who runs "chartgate verify" give them alike.
type engineFlags struct {
	registryFlags
	trustFlags
	argoGitSources string
	missingSource  string
	repackaged     string
}

// register adds the flags. A cluster defers what has no source yet, because it will
// be asked again; the command line is asked once.
func (f *engineFlags) register(flags *pflag.FlagSet, missingSource string) {
	f.trustFlags.register(flags)
	f.registryFlags.register(flags)
	flags.StringVar(&f.missingSource, "missing-source", missingSource, "Defer (admit with a warning: what is pulled later is verified) or Deny a HelmRelease or HelmChart whose source does not exist yet")
	flags.StringVar(&f.repackaged, "repackaged-charts", "Allow", "Allow or Deny charts whose archive source-controller makes itself, so that no digest proves it: HelmCharts with valuesFiles, OCIRepositories without operation: copy")
	flags.StringVar(&f.argoGitSources, "argo-git-sources", "Allow", "Allow or Deny Argo CD sources that are Git repositories, which chartgate cannot verify")
}

// build checks the flags and makes the engine. The options are those that only a
// cluster has; the flags fill in the others.
func (f *engineFlags) build(policies gate.Policies, siblings source.Reader, roots signature.Roots, options source.Options) (*engine, error) {
	plainHTTP, err := canonicalHosts("--plain-http", f.plainHTTP)
	if err != nil {
		return nil, err
	}
	denyGit, err := choice("--argo-git-sources", f.argoGitSources, "Allow")
	if err != nil {
		return nil, err
	}
	denyMissing, err := choice("--missing-source", f.missingSource, "Defer")
	if err != nil {
		return nil, err
	}
	denyRepackaged, err := choice("--repackaged-charts", f.repackaged, "Allow")
	if err != nil {
		return nil, err
	}
	options.DenyRepackaged = denyRepackaged
	options.PlainHTTP, options.DenyArgoGit, options.DenyMissingSource = plainHTTP, denyGit, denyMissing
	client, err := f.client()
	if err != nil {
		return nil, err
	}
	return newEngine(policies, siblings, client, signature.New(roots), options), nil
}

func newEngine(policies gate.Policies, siblings source.Reader, client *registry.Client, verifier *signature.Verifier, options source.Options) *engine {
	return &engine{
		gate:      gate.New(policies, client, verifier, time.Now),
		extractor: source.NewExtractor(siblings, options),
	}
}

// choice reads a flag that is either the milder value or Deny, and reports whether
// it is Deny.
func choice(flag, value, mild string) (bool, error) {
	switch value {
	case mild:
		return false, nil
	case "Deny":
		return true, nil
	default:
		return false, fmt.Errorf("%s is %q, not %s or Deny", flag, value, mild)
	}
}

// canonicalHosts refuses what could never equal the host of a chart.
func canonicalHosts(flag string, hosts []string) ([]string, error) {
	var canonical []string
	for _, host := range hosts {
		location, err := chart.ParseLocation("oci://" + host)
		if err != nil || location.Host() != host {
			return nil, fmt.Errorf("%s %q is not a lower-case host or host:port", flag, host)
		}
		canonical = append(canonical, host)
	}
	return canonical, nil
}
