package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/signature"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/trust"
)

// engine is the decision as every subcommand makes it.
type engine struct {
	gate      *gate.Gate
	extractor *source.Extractor
	options   source.Options // of the extractor
}

// engineFlags are the flags that decide verdicts. "serve" and "verify" have them in common.
type engineFlags struct {
	registryFlags
	trustFlags
	argoGitSources string
	missingSource  string
	repackaged     string
}

// register adds the flags. In a cluster an object without its source is deferred, because it is
// examined again; the command line examines it once.
func (f *engineFlags) register(flags *pflag.FlagSet, missingSource string) {
	f.trustFlags.register(flags)
	f.registryFlags.register(flags)
	flags.StringVar(&f.missingSource, "missing-source", missingSource, "Defer (admit with a warning: the chart is verified when it is pulled) or Deny a HelmRelease or HelmChart whose source does not exist")
	flags.StringVar(&f.repackaged, "repackaged-charts", "Allow", "Allow or Deny HelmCharts with valuesFiles, whose archive source-controller builds itself, so that no digest proves it")
	flags.StringVar(&f.argoGitSources, "argo-git-sources", "Allow", "Allow or Deny Argo CD sources that are Git repositories, which chartgate cannot verify")
}

// inputs are what an engine needs beside the flags. The options are those that only a cluster has;
// the flags fill in the others.
type inputs struct {
	policies gate.Policies
	siblings source.Reader
	roots    signature.Roots
	source   source.Options
	registry registry.Options
	// client, verifier and now are in place of those that the flags make, if not nil.
	client   gate.Registry
	verifier gate.Verifier
	now      func() time.Time
}

// build checks the flags and makes the engine.
func (f *engineFlags) build(in inputs) (*engine, error) {
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
	in.source.PlainHTTP, in.source.DenyArgoGit = plainHTTP, denyGit
	in.source.DenyMissingSource, in.source.DenyRepackaged = denyMissing, denyRepackaged
	if in.client == nil {
		client, err := f.client(in.registry)
		if err != nil {
			return nil, err
		}
		in.client = client
	}
	if in.verifier == nil {
		in.verifier = signature.New(in.roots)
	}
	if in.now == nil {
		in.now = time.Now
	}
	return &engine{
		gate:      gate.New(in.policies, in.client, in.verifier, in.now),
		extractor: source.NewExtractor(in.siblings, in.source), options: in.source,
	}, nil
}

// trustFlags name the trust roots that are not in TrustRoot objects.
type trustFlags struct {
	trustedRoot string
	tufCache    string
}

func (f *trustFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.trustedRoot, "trusted-root", "", "`file` with the Sigstore trusted root (trusted_root.json) for identities that name no TrustRoot; without it, and without a TrustRoot named default, chartgate uses that of Sigstore's public-good instance, and fetches it when it is first needed")
	flags.StringVar(&f.tufCache, "tuf-cache", "", "`directory` for files fetched from TUF repositories; chartgate/tuf in the user's cache directory if empty")
}

// roots makes the trust roots. They hold no TrustRoot yet.
func (f *engineFlags) roots(o trust.Options) (*trust.Roots, error) {
	if f.trustedRoot != "" {
		content, err := os.ReadFile(f.trustedRoot)
		if err != nil {
			return nil, fmt.Errorf("read --trusted-root: %w", err)
		}
		root, err := signature.ParseRoot(content)
		if err != nil {
			return nil, fmt.Errorf("--trusted-root %s: %w", f.trustedRoot, err)
		}
		o.Default = &root
	}
	cas, err := f.cas()
	if err != nil {
		return nil, err
	}
	o.RootCAs, o.CacheDir = cas, f.tufCache
	if o.CacheDir == "" {
		// Without a home directory, updates of TUF repositories fail, and nothing else.
		if dir, err := os.UserCacheDir(); err == nil {
			o.CacheDir = filepath.Join(dir, "chartgate", "tuf")
		}
	}
	return trust.New(o), nil
}

// choice reads a flag that is either the milder value or Deny, and reports whether it is Deny.
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

// canonicalHosts refuses a text that cannot be the host of a chart in canonical form.
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
