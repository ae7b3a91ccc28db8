package helmusers_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/chartgate/chartgate/test/env/cluster"
)

// What the page calls the plugins' version and platform.
const pluginVersion = "0.1.0"

// pack packs the plugins with a program into a folder.
func pack(ctx context.Context, program, into string) error {
	script, err := cluster.Path("hack", "plugins", "pack.sh")
	if err != nil {
		return err
	}
	_, err = cluster.Command{Name: script, Args: []string{program, pluginVersion, runtime.GOOS + "-" + runtime.GOARCH, into}}.Run(ctx)
	return err
}

// packed is the file name of a plugin.
func packed(plugin string) string {
	return plugin + "-" + pluginVersion + "-" + runtime.GOOS + "-" + runtime.GOARCH + ".tgz"
}

// servePlugins serves a folder as a server does that helm 3 downloads plugins from.
func servePlugins(folder string) *httptest.Server {
	files := http.FileServer(http.Dir(folder))
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/gzip")
		files.ServeHTTP(w, r)
	}))
}

// data is the folder of helm's own in which the plugins of all users of a version are.
func (s *site) data(version string) string { return filepath.Join(s.dir, version) }

// installPlugins packs the plugins with chartgate and has each helm install them from a server.
func (s *site) installPlugins(ctx context.Context) error {
	program, err := cluster.Chartgate(ctx)
	if err != nil {
		return err
	}
	folder, cache := filepath.Join(s.dir, "plugins"), filepath.Join(s.dir, "cache")
	if err := pack(ctx, program, folder); err != nil {
		return err
	}
	s.plugins = servePlugins(folder)
	for version, name := range helms() {
		helm, err := cluster.Tool(name)
		if err != nil {
			return err
		}
		env := []string{"HELM_DATA_HOME=" + s.data(version), "HELM_CACHE_HOME=" + cache, "HELM_CONFIG_HOME=" + cache}
		for _, plugin := range []string{"chartgate", "chartgate-getter"} {
			args := append([]string{"plugin", "install", s.plugins.URL + "/" + packed(plugin)}, unverified(version)...)
			if _, err := (cluster.Command{Name: helm, Args: args, Env: env}).Run(ctx); err != nil {
				return err
			}
		}
		if err := os.RemoveAll(cache); err != nil {
			return err
		}
	}
	return nil
}

// unverified are the flags with which a helm installs a plugin that has no PGP signature.
func unverified(version string) []string {
	if version == "helm4" {
		return []string{"--verify=false"}
	}
	return nil
}

// small makes a program that the plugins can be packed with where nobody runs them.
func small(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chartgate")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPluginsAreReproducible: the same program gives the same bytes, whatever its file is like.
func TestPluginsAreReproducible(t *testing.T) {
	t.Parallel()
	packedFrom := func(program string) map[string]string {
		folder := filepath.Join(t.TempDir(), "plugins")
		if err := pack(t.Context(), program, folder); err != nil {
			t.Fatal(err)
		}
		contents := map[string]string{}
		for _, plugin := range []string{"chartgate", "chartgate-getter"} {
			content, err := os.ReadFile(filepath.Join(folder, packed(plugin)))
			if err != nil {
				t.Fatal(err)
			}
			contents[plugin] = string(content)
		}
		return contents
	}
	again, other := small(t, "program", 0o600), small(t, "another program", 0o755)
	if err := os.Chtimes(again, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	first, second, third := packedFrom(small(t, "program", 0o755)), packedFrom(again), packedFrom(other)
	for plugin := range first {
		if first[plugin] != second[plugin] {
			t.Errorf("%s packed twice gives other bytes", plugin)
		}
		if first[plugin] == third[plugin] {
			t.Errorf("%s does not hold the program", plugin)
		}
	}
}

// TestInstallingPlugins: the ways of the page. That the plugins work after an installation from a URL
// is what every other test shows.
func TestInstallingPlugins(t *testing.T) {
	plugins := t.TempDir()
	if err := pack(t.Context(), small(t, "#!/bin/sh\necho installed: $*\n", 0o755), plugins); err != nil {
		t.Fatal(err)
	}
	server := servePlugins(plugins)
	t.Cleanup(server.Close)
	both(t, func(t *testing.T, u *user) {
		fresh := func(t *testing.T) *user { return u.with("HELM_DATA_HOME="+t.TempDir(), "HELM_CACHE_HOME="+t.TempDir()) }
		file, url := filepath.Join(plugins, packed("chartgate")), server.URL+"/"+packed("chartgate")
		installed := func(t *testing.T, u *user) {
			t.Helper()
			if got := u.helm(t, "chartgate", "version").Stdout; got != "installed: version\n" {
				t.Errorf("helm chartgate version prints %s", got)
			}
		}
		t.Run("unpacked as the page says", func(t *testing.T) {
			u := fresh(t)
			if _, err := u.shell(t, plugins).Run(unpacking(t), false); err != nil {
				t.Fatal(err)
			}
			installed(t, u)
			if list := u.helm(t, "plugin", "list").Stdout; strings.Count(list, "\nchartgate") != 2 || !strings.Contains(list, "chartgate-getter") {
				t.Errorf("helm has these plugins:\n%s", list)
			}
		})
		t.Run("from a file", func(t *testing.T) {
			u := fresh(t)
			if u.version == "helm3" {
				if ended := u.try(t, "plugin", "install", file); ended.Code == 0 {
					t.Errorf("helm 3 takes a file:\n%s", ended.Stdout)
				}
				return
			}
			if ended := u.try(t, "plugin", "install", file); ended.Code == 0 || !strings.Contains(ended.Stderr, "no provenance file (.prov) found") {
				t.Errorf("without --verify=false, helm ends with %d and prints\n%s%s", ended.Code, ended.Stdout, ended.Stderr)
			}
			u.helm(t, "plugin", "install", file, "--verify=false")
			installed(t, u)
		})
		t.Run("from a URL a second time", func(t *testing.T) {
			u := fresh(t)
			install := append([]string{"plugin", "install", url}, unverified(u.version)...)
			u.helm(t, install...)
			installed(t, u)
			u.helm(t, "plugin", "uninstall", "chartgate")
			if ended := u.try(t, install...); u.version == "helm3" {
				if ended.Code == 0 || !strings.Contains(ended.Stderr, "file exists") {
					t.Fatalf("helm ends with %d and prints\n%s%s", ended.Code, ended.Stdout, ended.Stderr)
				}
				if _, err := u.shell(t, plugins).Run(`rm -r "$(helm env HELM_CACHE_HOME)/plugins"`, false); err != nil {
					t.Fatal(err)
				}
				u.helm(t, install...)
			}
			installed(t, u)
		})
	})
}

// unpacking are the commands of the page that install the plugins, once they are downloaded.
func unpacking(t *testing.T) string {
	t.Helper()
	for _, block := range page(t) {
		if block.Language == "sh" && strings.Contains(block.Text, "HELM_PLUGINS") {
			return block.Text
		}
	}
	t.Fatal("the page does not say how the plugins are installed")
	return ""
}
