package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/chartgate/chartgate/pkg/api/v1alpha1"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/credentials"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/inventory"
	"github.com/chartgate/chartgate/pkg/objects"
	"github.com/chartgate/chartgate/pkg/policy"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/source"
	"github.com/chartgate/chartgate/pkg/sourceauth"
	"github.com/chartgate/chartgate/pkg/trust"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// inventoryFlags say what to take stock of, and how. "scan" and "suggest" have them in common.
type inventoryFlags struct {
	engineFlags
	policies      policyFlags
	namespace     string
	allNamespaces bool
	files         []string
	argoNamespace string
	helmReleases  bool
	timeout       time.Duration
	// known are the keys that the scan can recognize.
	known []evidence.PublicKey
}

// scanPerHost is how many charts of one registry are examined at a time: a person waits, and most
// registries answer some ten requests a second to one client without a complaint.
const scanPerHost = 8

func (f *inventoryFlags) register(flags *pflag.FlagSet) {
	f.engineFlags.register(flags, "Deny")
	f.policies.register(flags)
	flags.StringVarP(&f.namespace, "namespace", "n", "", "`namespace` to scan; all of them if empty")
	flags.BoolVarP(&f.allNamespaces, "all-namespaces", "A", false, "scan all namespaces, as without -n")
	flags.StringArrayVarP(&f.files, "filename", "f", nil, "`file` or directory with manifests to scan instead of a cluster, - for standard input (repeatable)")
	flags.StringVar(&f.argoNamespace, "argo-namespace", "argocd", "`namespace` in which Argo CD keeps its repository Secrets; empty if Argo CD is not used")
	flags.BoolVar(&f.helmReleases, "helm-releases", true, "list the releases that helm itself installed, too; this reads the Secrets and ConfigMaps in which helm keeps them")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "longest `time` for each chart")
}

// stock is what is to be examined.
type stock struct {
	from     string
	reader   source.Reader
	objects  []source.Object
	files    []string        // of the objects, in their order; nil without any
	rows     []inventory.Row // of documents that cannot be read
	outside  []inventory.HelmRelease
	problems []inventory.Problem
	// connect finds the logins of the objects' sources; nil without a cluster.
	connect func(context.Context, sourceauth.Auth, chart.Location) (registry.Connection, error)
}

// collect takes stock of a cluster or of files.
func (f *inventoryFlags) collect(cmd *cobra.Command) (inventory.Inventory, error) {
	ctx := cmd.Context()
	if f.namespace != "" && f.allNamespaces {
		return inventory.Inventory{}, errors.New("-n and -A exclude each other")
	}
	var at *scannedCluster
	if len(f.files) == 0 {
		var err error
		if at, err = f.open(); err != nil {
			return inventory.Inventory{}, err
		}
	}
	progress := newProgress(cmd.ErrOrStderr())
	defer progress.done()
	begun := time.Now().UTC().Truncate(time.Second)
	policies, named, err := f.loadPolicies(cmd, at)
	if err != nil {
		return inventory.Inventory{}, err
	}
	var s stock
	if at == nil {
		s, err = f.fromFiles(cmd)
	} else {
		s, err = f.fromCluster(ctx, at, progress)
	}
	if err != nil {
		return inventory.Inventory{}, err
	}
	inspector, roots, err := f.inspector(policies, named != "", s)
	if err != nil {
		return inventory.Inventory{}, err
	}
	defer roots.Close()
	rows, examined := slices.Clone(s.rows), 0
	for of := range inspector.Objects(ctx, slices.Values(s.objects)) {
		for _, row := range of {
			if s.files != nil {
				row.File = s.files[examined]
			}
			rows = append(rows, row)
		}
		examined++
		progress.show("examined %d of %d objects", examined, len(s.objects))
	}
	if err := ctx.Err(); err != nil {
		return inventory.Inventory{}, fmt.Errorf("the scan was stopped: %w", err)
	}
	return inventory.Inventory{
		At: begun, From: s.from, Policies: named, Rows: append([]inventory.Row{}, rows...), Outside: s.outside, Problems: s.problems, Summary: inventory.Summarize(rows),
	}, nil
}

// loadPolicies returns the policies of the flag or, without it, those of the cluster that is
// scanned, and what they are called; no policies and "" where there are none.
func (f *inventoryFlags) loadPolicies(cmd *cobra.Command, at *scannedCluster) (fixedPolicies, string, error) {
	ctx, stop := context.WithTimeout(cmd.Context(), f.timeout)
	defer stop()
	none, _ := policy.Compile(policy.Input{})
	switch {
	case len(f.policies.paths) > 0:
		loaded, err := f.policies.load(ctx, cmd.InOrStdin(), cmd.ErrOrStderr())
		return loaded, strings.Join(f.policies.paths, ", "), err
	case at == nil:
		return fixedPolicies{set: none}, "", nil
	}
	_, err := at.versions.Of(ctx, schema.GroupKind{Group: v1alpha1.Group, Kind: "ChartPolicy"})
	switch {
	case meta.IsNoMatchError(err):
		return fixedPolicies{set: none}, "", nil
	case err != nil:
		return fixedPolicies{}, "", fmt.Errorf("%s does not answer: %w", at.name, err)
	}
	loaded, err := at.load(ctx, cmd.ErrOrStderr(), f.policies.namespace, nil, f.policies.services())
	if errors.Is(err, errForbidden) {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s has chartgate, but nothing is judged: %v\n", at.name, err)
		return fixedPolicies{set: none}, "", nil
	}
	return loaded, "the policies of " + at.name, err
}

// fromFiles reads objects from files.
func (f *inventoryFlags) fromFiles(cmd *cobra.Command) (stock, error) {
	read, err := readDocuments(cmd.InOrStdin(), f.files, gatedKinds)
	if err != nil {
		return stock{}, fmt.Errorf("read -f: %w", err)
	}
	all, err := read.toObjects()
	if err != nil {
		return stock{}, fmt.Errorf("read -f: %w", err)
	}
	read.tell(cmd.ErrOrStderr())
	s := stock{from: strings.Join(f.files, ", ")}
	for _, b := range read.broken {
		s.rows = append(s.rows, inventory.Unreadable(b.where, localVerdict(b.verdict())))
	}
	var kept siblings
	for i, object := range all {
		row, ok := inventory.Keep(object)
		if !ok {
			if object.Group == sourcev1.GroupVersion.Group { // a GitRepository or Bucket: no row, but where charts come from
				kept = append(kept, object)
			}
			continue
		}
		object = row
		kept = append(kept, object)
		if f.namespace == "" || object.Namespace == f.namespace {
			s.objects, s.files = append(s.objects, object), append(s.files, read.places[i].String())
		}
	}
	s.reader = kept
	if len(s.objects)+len(s.rows) == 0 {
		return stock{}, errors.New("the files hold no object that deploys charts (HelmRelease, HelmRepository, HelmChart, OCIRepository, Application)")
	}
	return s, nil
}

// scannedCluster is a cluster with what a list needs.
type scannedCluster struct {
	*cluster
	web      *http.Client
	versions *objects.Versions
}

// open finds the cluster. It sends no request yet.
func (f *inventoryFlags) open() (*scannedCluster, error) {
	at, err := f.policies.connect()
	if err != nil {
		return nil, err
	}
	web, err := rest.HTTPClientFor(at.config)
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	mapper, err := objects.NewMapper(at.config, web)
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	return &scannedCluster{cluster: at, web: web, versions: objects.NewVersions(mapper)}, nil
}

// fromCluster lists the objects of a cluster.
func (f *inventoryFlags) fromCluster(ctx context.Context, at *scannedCluster, progress *progress) (stock, error) {
	listing := inventory.Cluster{
		Config: at.config, HTTP: at.web, Versions: at.versions, Live: objects.NewReader(at.kube, at.versions, nil), Namespace: f.namespace,
		Listed: func(n int) { progress.show("listed %d objects", n) },
	}
	snapshot, err := listing.List(ctx)
	if err == nil {
		err = snapshot.Served()
	}
	if err != nil {
		return stock{}, fmt.Errorf("%s: %w", at.name, err)
	}
	s := stock{from: at.name, reader: snapshot, objects: snapshot.Objects(), problems: snapshot.Problems}
	if f.helmReleases {
		outside, problems := listing.Releases(ctx, at.kube, snapshot)
		s.outside, s.problems = outside, append(s.problems, problems...)
	}
	clouds, err := credentials.NewClouds()
	if err != nil {
		return stock{}, err
	}
	s.connect = credentials.New(credentials.Options{
		Reader: at.kube, ArgoNamespace: f.argoNamespace, PlainHTTP: f.plainHTTP, Clouds: clouds, AnyHost: true,
		Identities: f.registryIdentities, Log: logr.Discard(),
	}).Resolve
	return s, nil
}

// inspector makes the engine, and what asks it.
func (f *inventoryFlags) inspector(policies fixedPolicies, judged bool, s stock) (*inventory.Inspector, *trust.Roots, error) {
	if len(f.registryConfigs) == 0 {
		f.registryConfigs = localLogins()
	}
	// There is no second attempt, so the first fetch of a TUF repository may take as long as a chart.
	roots, err := f.roots(trust.Options{Patience: f.timeout, Default: policies.defaultRoot})
	if err != nil {
		return nil, nil, err
	}
	roots.Set(policies.trustRoots)
	engine, err := f.build(inputs{policies: policies, siblings: s.reader, roots: roots, registry: registry.Options{Local: true, Connect: s.connect}})
	if err != nil {
		roots.Close()
		return nil, nil, err
	}
	names := []string{evidence.DefaultTrustRoot}
	for _, item := range policies.trustRoots {
		if name := item.Object.Name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	wanted := policies.set.Signers(names)
	for _, key := range wanted.Keys {
		f.known = append(f.known, key.PublicKey)
	}
	return inventory.New(inventory.Options{
		Gate: engine.gate, Extractor: engine.extractor, Reader: s.reader, Discover: &wanted, Judged: judged,
		PerHost: scanPerHost, Timeout: f.timeout, Now: time.Now, Local: localVerdict,
	}), roots, nil
}

// localVerdict renders a verdict for the user of a command.
func localVerdict(v verdict.Verdict) verdict.Verdict {
	return v.Local(func(verdict.Denial) string { return "" })
}
