// Command release builds, pushes and signs a release. `make release` runs it; docs/release.md describes it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chartgate/chartgate/hack/internal/binary"
	"github.com/chartgate/chartgate/hack/internal/command"
	"github.com/chartgate/chartgate/hack/internal/folder"
	"github.com/chartgate/chartgate/hack/internal/image"
	"github.com/chartgate/chartgate/hack/internal/sbom"
	"github.com/chartgate/chartgate/hack/internal/source"
)

// Where the parts are in the registry, below its prefix.
const (
	imagePath = "chartgate"
	chartPath = "charts/chartgate"
)

type options struct {
	version, registry, platforms, output, bin, sign string
	plainHTTP                                       bool
}

func main() {
	var o options
	flag.StringVar(&o.version, "version", "", "version, as v0.1.0")
	flag.StringVar(&o.registry, "registry", "", "registry, with a path if it has one, as ghcr.io/chartgate")
	flag.StringVar(&o.platforms, "platforms", "", "platforms of the programs, separated by commas; all if empty. Those for Linux are in the image")
	flag.StringVar(&o.output, "output", "bin/release", "folder that takes the files of the release")
	flag.StringVar(&o.bin, "bin", "bin", "folder with cosign3 and ca-certificates.crt")
	flag.StringVar(&o.sign, "sign", "", "flags of cosign sign, attest and sign-blob, separated by spaces, as --key=cosign.key")
	flag.BoolVar(&o.plainHTTP, "plain-http", false, "the registry speaks HTTP")
	command.Main("release", func(ctx context.Context) error { return o.run(ctx) }) // with the flags, which are parsed by then
}

func (o *options) run(ctx context.Context) error {
	r, err := prepare(ctx, *o)
	if err != nil {
		return err
	}
	if err := r.build(ctx); err != nil {
		return err
	}
	if err := r.push(ctx); err != nil {
		return err
	}
	if err := r.sign(ctx); err != nil {
		return err
	}
	return r.promote(ctx)
}

// release is a release in the making.
type release struct {
	options
	number  string // the version without v
	commit  source.Commit
	started time.Time

	registry registryAt
	cosign   cosign

	binaries []binary.Binary
	content  image.Content
	chart    packagedChart

	pushedImage, pushedChart reference
}

// prepare checks what can be checked before anything is built.
func prepare(ctx context.Context, o options) (*release, error) {
	number, err := checkVersion(o.version)
	if err != nil {
		return nil, err
	}
	if o.registry == "" {
		return nil, fmt.Errorf("no registry: want one as ghcr.io/chartgate")
	}
	commit, err := checkTree(ctx, source.Tree{}, o.version)
	if err != nil {
		return nil, err
	}
	if err := folder.Renew(o.output, programs); err != nil {
		return nil, err
	}
	r := &release{
		options: o, number: number, commit: commit, started: time.Now(),
		registry: registryAt{prefix: o.registry, plainHTTP: o.plainHTTP},
		cosign:   cosign{program: filepath.Join(o.bin, "cosign3"), flags: strings.Fields(o.sign), plainHTTP: o.plainHTTP},
	}
	return r, os.Mkdir(filepath.Join(o.output, programs), 0o755)
}

// programs is the folder of the programs in that of the release.
const programs = "programs"

// build makes the programs, their archives, and helm's plugins with them.
func (r *release) build(ctx context.Context) error {
	platforms := binary.Platforms()
	if r.platforms != "" {
		var err error
		if platforms, err = binary.ParsePlatforms(r.platforms); err != nil {
			return err
		}
	}
	builder := binary.Builder{Root: ".", Version: r.version, Dir: filepath.Join(r.output, programs)}
	r.content = image.Content{Version: r.number, Commit: r.commit}
	var files []string
	for _, p := range platforms {
		b, err := builder.Build(ctx, p)
		if err != nil {
			return err
		}
		r.binaries = append(r.binaries, b)
		if p.OS == "linux" {
			r.content.Binaries = append(r.content.Binaries, b)
		}
		name, err := r.archive(b)
		if err != nil {
			return err
		}
		plugins, err := r.packPlugins(ctx, b)
		if err != nil {
			return err
		}
		files = append(append(files, name), plugins...)
	}
	document, err := sbom.Programs(r.number, r.commit, r.binaries)
	if err != nil {
		return err
	}
	name := "chartgate_" + r.number + ".spdx.json"
	if err := r.write(name, document); err != nil {
		return err
	}
	return r.checksums(append(files, name))
}

// push pushes the image, and the chart that names it. Neither has a tag yet.
func (r *release) push(ctx context.Context) error {
	var err error
	if r.content.Authorities, err = os.ReadFile(filepath.Join(r.bin, "ca-certificates.crt")); err != nil {
		return err
	}
	index, err := r.content.Index()
	if err != nil {
		return err
	}
	if r.pushedImage, err = r.registry.pushIndex(ctx, imagePath, index); err != nil {
		return err
	}
	if r.chart, err = r.packageChart(r.pushedImage); err != nil {
		return err
	}
	packed, err := r.chart.artifact(r.commit.Time)
	if err != nil {
		return err
	}
	if r.pushedChart, err = r.registry.pushArtifact(ctx, chartPath, packed); err != nil {
		return err
	}
	if err := r.registry.tagIsFree(ctx, imagePath, r.number, r.pushedImage.digest); err != nil {
		return err
	}
	return r.registry.tagIsFree(ctx, chartPath, r.number, r.pushedChart.digest)
}

// sign signs all that is released, and attests to how it was made.
func (r *release) sign(ctx context.Context) error {
	document, err := sbom.Image(r.content)
	if err != nil {
		return err
	}
	ofImage, err := r.provenance()
	if err != nil {
		return err
	}
	ofChart, err := r.provenance(r.pushedImage)
	if err != nil {
		return err
	}
	for _, s := range []struct {
		what          reference
		predicateType string
		predicate     []byte
	}{
		{r.pushedImage, "spdxjson", document},
		{r.pushedImage, "slsaprovenance1", ofImage},
		{r.pushedChart, "slsaprovenance1", ofChart},
	} {
		name := filepath.Base(s.what.repository) + "-" + s.what.digest[len("sha256:"):][:12] + "." + s.predicateType + ".json"
		if err := r.write(name, s.predicate); err != nil {
			return err
		}
		if err := r.cosign.attest(ctx, s.what, s.predicateType, filepath.Join(r.output, name)); err != nil {
			return err
		}
	}
	for _, what := range []reference{r.pushedImage, r.pushedChart} {
		if err := r.cosign.sign(ctx, what); err != nil {
			return err
		}
	}
	return r.cosign.signFile(ctx, filepath.Join(r.output, checksumsFile))
}

// promote gives the version its tags, now that everything behind them is signed.
func (r *release) promote(ctx context.Context) error {
	if err := r.registry.tag(ctx, imagePath, r.number, r.pushedImage.digest); err != nil {
		return err
	}
	if err := r.registry.tag(ctx, chartPath, r.number, r.pushedChart.digest); err != nil {
		return err
	}
	if err := r.publishArtifactHub(ctx); err != nil {
		return err
	}
	summary, err := json.MarshalIndent(map[string]string{
		"version": r.version, "revision": r.commit.Revision,
		"image": r.pushedImage.String(), "chart": r.pushedChart.String(),
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := r.write("release.json", append(summary, '\n')); err != nil {
		return err
	}
	fmt.Printf("%s\n", summary)
	return nil
}

// imagePlatforms are those of the image, as Artifact Hub names them.
func (r *release) imagePlatforms() []string {
	var names []string
	for _, b := range r.content.Binaries {
		names = append(names, b.String())
	}
	return names
}
