# The tools that the tests and `make verify` need. Each is pinned by a small module of its own beside this file and
# built into $(BIN) on first use; what is not in Go comes from Debian (debian.sh). The including Makefile sets ROOT and BIN.
#
#   make tools-test     what the tests run: a control plane and a node, helm 3 and 4, helm-unittest, cosign 2 and 3, a
#                       registry, a Sigstore (Fulcio, Rekor, a timestamp authority), Flux's and Argo CD's controllers and
#                       CRDs, a browser, promtool, a check of SPDX documents, the image's certificate authorities
#   make tools-node     of these, what a Kubernetes node runs besides a control plane: a kubelet, containerd, runc, network
#                       plugins, ip and nft
#   make tools-verify   what `make verify` runs
#   make tools          what the tests and `make verify` run
#
# With KUBEBUILDER_ASSETS set, the tests use that control plane, and none is built here.

TOOLS := $(ROOT)/hack/tools

ifndef KUBEBUILDER_ASSETS
CONTROL_PLANE := $(BIN)/kube-apiserver $(BIN)/kubectl $(BIN)/etcd
endif
NODE := $(addprefix $(BIN)/,kube-controller-manager kube-scheduler kube-proxy kubelet \
	containerd containerd-shim-runc-v2 bridge loopback host-local pause runc ip nft)
SIGSTORE := $(BIN)/fulcio $(BIN)/rekor $(BIN)/timestamp-server
ARGOCD := $(addprefix $(BIN)/argocd-,application-controller repo-server redis)
FLUX := $(BIN)/source-controller $(BIN)/helm-controller $(BIN)/kustomize-controller
CRDS := $(addprefix $(BIN)/crds/,flux flux-old kustomize argo argo3)

.PHONY: tools tools-test tools-node tools-verify
tools: tools-test tools-verify
tools-test: $(CONTROL_PLANE) tools-node $(BIN)/helm $(BIN)/helm4 $(BIN)/helm-unittest $(BIN)/cosign2 $(BIN)/cosign3 $(BIN)/crane $(BIN)/registry \
	$(SIGSTORE) $(FLUX) $(ARGOCD) $(CRDS) $(BIN)/chromium $(BIN)/promtool $(BIN)/spdx $(BIN)/ca-certificates.crt
tools-node: $(NODE)
tools-verify: $(BIN)/controller-gen $(BIN)/staticcheck $(BIN)/actionlint $(BIN)/crd-ref-docs $(BIN)/helm-docs

# For this machine, whatever the caller cross-compiles or has in a workspace.
tool-go := GOOS= GOARCH= CGO_ENABLED=0 GOWORK=off go

# $(call pins,DIRECTORY): the files that pin a tool.
pins = $(TOOLS)/$(1)/go.mod $(TOOLS)/$(1)/go.sum

# $(call build,DIRECTORY,PACKAGE,LDFLAGS): the tool module's package becomes $@, in one step, since the old one may be
# running. LDFLAGS are where version and minor, below, may stand.
define build
@mkdir -p $(BIN)
cd $(TOOLS)/$(1) && $(tool-go) build -trimpath -ldflags "-s -w $(3)" -o $@.$$$$ $(2) && mv $@.$$$$ $@
endef
version = $$($(tool-go) list -m -f '{{.Version}}' $(1))
minor = $$($(tool-go) list -m -f '{{.Version}}' $(1) | cut -d. -f2)

kubernetes-flags := $(foreach p,k8s.io/component-base/version k8s.io/client-go/pkg/version,\
	-X $(p).gitVersion=$(call version,k8s.io/kubernetes) -X $(p).gitMajor=1 -X $(p).gitMinor=$(call minor,k8s.io/kubernetes))

$(BIN)/kube-apiserver: $(call pins,kubernetes)
	$(call build,kubernetes,k8s.io/kubernetes/cmd/kube-apiserver,$(kubernetes-flags))

# After kube-apiserver, so that `make -j` compiles the packages of both once.
$(BIN)/kubectl: $(call pins,kubernetes) | $(BIN)/kube-apiserver
	$(call build,kubernetes,k8s.io/kubernetes/cmd/kubectl,$(kubernetes-flags))

# A node's, one after the other for the same reason.
$(BIN)/kube-controller-manager: $(call pins,kubernetes) | $(BIN)/kubectl
$(BIN)/kube-scheduler: $(call pins,kubernetes) | $(BIN)/kube-controller-manager
$(BIN)/kube-proxy: $(call pins,kubernetes) | $(BIN)/kube-scheduler
$(BIN)/kubelet: $(call pins,kubernetes) | $(BIN)/kube-proxy
$(addprefix $(BIN)/,kube-controller-manager kube-scheduler kube-proxy kubelet): $(BIN)/%:
	$(call build,kubernetes,k8s.io/kubernetes/cmd/$*,$(kubernetes-flags))

$(BIN)/containerd: $(call pins,containerd)
$(BIN)/containerd-shim-runc-v2: $(call pins,containerd) | $(BIN)/containerd
$(addprefix $(BIN)/,containerd containerd-shim-runc-v2): $(BIN)/%:
	$(call build,containerd,github.com/containerd/containerd/v2/cmd/$*)

$(BIN)/bridge $(BIN)/loopback: $(BIN)/%: $(call pins,cni)
	$(call build,cni,github.com/containernetworking/plugins/plugins/main/$*)
$(BIN)/host-local: $(call pins,cni)
	$(call build,cni,github.com/containernetworking/plugins/plugins/ipam/host-local)

# What every pod's sandbox runs.
$(BIN)/pause: $(ROOT)/test/env/node/pause/main.go
	@mkdir -p $(BIN)
	$(tool-go) build -trimpath -ldflags "-s -w" -o $@ ./test/env/node/pause

# Debian's own build: runc needs cgo and libseccomp, which apt itself needs, too.
$(BIN)/runc: $(TOOLS)/debian.sh
	$(TOOLS)/debian.sh runc $(BIN)/debian/runc
	ln -sf debian/runc/usr/sbin/runc $@

# Debian's own builds: of what the node's network is made with, and kube-proxy's rules.
$(BIN)/ip: $(TOOLS)/debian.sh $(TOOLS)/debian-program.sh
	$(TOOLS)/debian.sh iproute2 $(BIN)/debian/ip
	install -m 755 $(TOOLS)/debian-program.sh $@
$(BIN)/nft: $(TOOLS)/debian.sh $(TOOLS)/debian-program.sh
	$(TOOLS)/debian.sh nftables $(BIN)/debian/nft
	install -m 755 $(TOOLS)/debian-program.sh $@

$(BIN)/etcd: $(call pins,etcd)
	$(call build,etcd,go.etcd.io/etcd/server/v3)

# As helm's own Makefile does: without the Kubernetes version, `helm template` believes in 1.20.
$(BIN)/helm: $(call pins,helm)
	$(call build,helm,helm.sh/helm/v3/cmd/helm,-X helm.sh/helm/v3/internal/version.version=$(call version,helm.sh/helm/v3) \
		$(foreach p,lint/rules chartutil,-X helm.sh/helm/v3/pkg/$(p).k8sVersionMajor=1 \
		-X helm.sh/helm/v3/pkg/$(p).k8sVersionMinor=$(call minor,k8s.io/client-go)))

$(BIN)/helm4: $(call pins,helm4)
	$(call build,helm4,helm.sh/helm/v4/cmd/helm,-X helm.sh/helm/v4/internal/version.version=$(call version,helm.sh/helm/v4))

$(BIN)/helm-unittest: $(call pins,helm-unittest) | $(BIN)/helm
	$(call build,helm-unittest,github.com/helm-unittest/helm-unittest/cmd/helm-unittest)

$(BIN)/cosign2 $(BIN)/cosign3: $(BIN)/cosign%: $(TOOLS)/cosign%/go.mod $(TOOLS)/cosign%/go.sum
	$(call build,cosign$*,github.com/sigstore/cosign/v$*/cmd/cosign,\
		-X sigs.k8s.io/release-utils/version.gitVersion=$(call version,github.com/sigstore/cosign/v$*))

# After cosign3, whose packages they share at the same versions.
$(BIN)/fulcio: $(call pins,fulcio) | $(BIN)/cosign3
	$(call build,fulcio,github.com/sigstore/fulcio)

$(BIN)/rekor: $(call pins,rekor) | $(BIN)/cosign3
	$(call build,rekor,github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix)

$(BIN)/timestamp-server: $(call pins,timestamp) $(TOOLS)/timestamp/main.go | $(BIN)/cosign3
	$(call build,timestamp,.)

# One after the other: they share two thirds of their packages. After cosign3, which shares some with source-controller.
$(BIN)/source-controller: $(call pins,flux) | $(BIN)/cosign3
	$(call build,flux,github.com/fluxcd/source-controller)

$(BIN)/helm-controller: $(call pins,flux) | $(BIN)/source-controller
	$(call build,flux,github.com/fluxcd/helm-controller)

$(BIN)/kustomize-controller: $(call pins,flux) | $(BIN)/helm-controller
	$(call build,flux,github.com/fluxcd/kustomize-controller)

$(BIN)/argocd-application-controller: $(call pins,argocd) $(TOOLS)/argocd/main.go
	$(call build,argocd,.,-X github.com/argoproj/argo-cd/v3/common.version=$(call version,github.com/argoproj/argo-cd/v3))

$(BIN)/argocd-repo-server $(BIN)/argocd-redis: $(BIN)/argocd-application-controller
	ln -sf argocd-application-controller $@

$(BIN)/crane: $(call pins,crane)
	$(call build,crane,github.com/google/go-containerregistry/cmd/crane)

$(BIN)/registry: $(call pins,distribution)
	$(call build,distribution,github.com/distribution/distribution/v3/cmd/registry,\
		-X github.com/distribution/distribution/v3/version.version=$(call version,github.com/distribution/distribution/v3))

# Debian's own build, without the interface that no test looks at. On another system, put a Chromium at bin/chromium.
$(BIN)/chromium: $(TOOLS)/debian.sh $(TOOLS)/chromium.sh
	$(TOOLS)/debian.sh chromium-headless-shell $(BIN)/debian/chromium
	install -m 755 $(TOOLS)/chromium.sh $@

# Debian's own build: Prometheus as a Go module takes minutes to compile.
$(BIN)/promtool: $(TOOLS)/debian.sh
	$(TOOLS)/debian.sh prometheus $(BIN)/debian/prometheus
	ln -sf debian/prometheus/usr/bin/promtool $@

$(BIN)/controller-gen: $(call pins,controller-gen)
	$(call build,controller-gen,sigs.k8s.io/controller-tools/cmd/controller-gen,\
		-X sigs.k8s.io/controller-tools/pkg/version.version=$(call version,sigs.k8s.io/controller-tools))

$(BIN)/actionlint: $(call pins,actionlint)
	$(call build,actionlint,github.com/rhysd/actionlint/cmd/actionlint)

$(BIN)/crd-ref-docs: $(call pins,crd-ref-docs)
	$(call build,crd-ref-docs,github.com/elastic/crd-ref-docs)

$(BIN)/helm-docs: $(call pins,helm-docs)
	$(call build,helm-docs,github.com/norwoodj/helm-docs/cmd/helm-docs)

$(BIN)/staticcheck: $(call pins,staticcheck)
	$(call build,staticcheck,honnef.co/go/tools/cmd/staticcheck)

# Checks SPDX documents, for the tests.
$(BIN)/spdx: $(call pins,spdx) $(TOOLS)/spdx/main.go
	$(call build,spdx,.)

# A file of the image: who signs certificates of web servers.
$(BIN)/ca-certificates.crt: $(call pins,x509roots) $(TOOLS)/x509roots/main.go
	@mkdir -p $(BIN)
	cd $(TOOLS)/x509roots && $(tool-go) run -trimpath . >$@.$$$$ && mv $@.$$$$ $@

# CRDs are directories: filled under another name first, so that a failure leaves nothing that looks complete.
define fill
@rm -rf $@.new && mkdir -p $@.new
$(1)
@rm -rf $@ && mv $@.new $@
endef

# $(call copy,DIRECTORY,MODULE,FILES): from MODULE's zip, checked against hack/tools/DIRECTORY/go.sum.
copy = cd $(TOOLS)/$(1) && $(tool-go) mod download $(2) && \
	install -m 644 "$$($(tool-go) list -m -f '{{.Dir}}' $(2))"/$(3) $@.new

define flux-crds
$(call copy,crds,github.com/fluxcd/source-controller,config/crd/bases/*.yaml)
$(call copy,crds,github.com/fluxcd/helm-controller,config/crd/bases/*.yaml)
endef

$(BIN)/crds/flux: $(call pins,crds)
	$(call fill,$(flux-crds))

$(BIN)/crds/argo: $(call pins,crds)
	$(call fill,$(call copy,crds,github.com/argoproj/argo-cd/v2,manifests/crds/*-crd.yaml))

# Those of the controllers that run.
$(BIN)/crds/kustomize: $(call pins,flux)
	$(call fill,$(call copy,flux,github.com/fluxcd/kustomize-controller,config/crd/bases/*.yaml))

$(BIN)/crds/argo3: $(call pins,argocd)
	$(call fill,$(call copy,argocd,github.com/argoproj/argo-cd/v3,manifests/crds/*-crd.yaml))

# The last Flux that served every version since v2beta1 and v1beta1 (2.6). The module proxy may lack its controllers, so
# its CRDs are generated from the API types, as Flux itself does.
$(BIN)/crds/flux-old: $(call pins,crds-flux-old) $(BIN)/controller-gen
	$(call fill,cd $(TOOLS)/crds-flux-old && GOWORK=off $(BIN)/controller-gen crd output:crd:dir=$@.new \
		paths=github.com/fluxcd/source-controller/api/... paths=github.com/fluxcd/helm-controller/api/...)
