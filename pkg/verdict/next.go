package verdict

import (
	"regexp"
	"strings"
)

// internalSummary is the message for errors whose text must not reach users. internalLocally is the
// same on a command line, where no log exists.
const (
	internalSummary = "chartgate failed with an internal error; its log has the cause"
	internalLocally = "chartgate failed with an internal error; the cause is on standard error"
)

// nextFor returns the next step for a denial of which only the reason is known. Every reason has
// one, also an unknown reason: the constructors of a Verdict add it to a denial without a next
// step.
func nextFor(reason Reason) string {
	switch reason {
	case NoPolicy:
		return "ask the platform team for a ChartPolicy that matches this chart, or use a chart that one matches"
	case NotPinned:
		return "write one complete version, as in 1.2.3"
	case NotOCI:
		return "use the chart from an OCI registry (oci://), or ask the platform team for a ChartPolicy with allowUnverified"
	case ReferenceInvalid:
		return "correct the value that the first line names; docs/reasons.md#ReferenceInvalid shows the accepted forms, such as oci://ghcr.io/acme/charts/podinfo:1.2.3"
	case ChartNotFound:
		return "check the chart's name and version, and that it has been pushed"
	case NotAChart:
		return "push the chart with helm push, or correct the reference"
	case RegistryUnavailable:
		return "try again; if the error persists, check that the registry is up and that chartgate can reach it"
	case RegistryUnauthorized:
		return "in the chart's source, name a Secret with credentials that can pull the chart"
	case SignatureMissing, SignatureInvalid:
		return "ask the publisher of the chart to sign it with an identity that the policy allows"
	case IdentityNotAllowed:
		return "have the chart signed by an allowed identity, or ask the platform team to allow this one"
	case AttestationMissing:
		return "ask the publisher of the chart to attest it with an identity that the policy allows"
	case AttestationRejected:
		return "fix what the condition names, attest again and apply again, or ask the platform team to change the condition"
	case DependencyMissing:
		return "run helm dependency update, then package, push and sign the chart again"
	case DigestMismatch:
		return "tell the platform team: the content does not match its digest, so the registry is broken or under attack"
	case SourceNotFound:
		return "apply the source first, or correct its name and namespace"
	case PolicyInvalid:
		return "ask the platform team to fix the policy; its Ready condition says the same"
	case TrustRootUnavailable:
		return "ask the cluster's admin to check the trust root that this signature needs: kubectl get trustroots"
	case LimitExceeded:
		return "remove what exceeds the limit; docs/architecture.md lists the limits"
	case Timeout:
		return "try again; if the error persists, ask the cluster's admin to raise webhook.timeoutSeconds (30 at most)"
	case Unsupported:
		return "deploy a chart from an OCI registry through a kind that docs/reasons.md#Unsupported names"
	default:
		return "try again; if the error persists, ask the cluster's admin for chartgate's log"
	}
}

// localNext returns the step of nextFor for the user of "chartgate verify": there is no cluster, no
// admin of one and no log.
func localNext(reason Reason) string {
	switch reason {
	case RegistryUnavailable:
		return "try again; if the error persists, check that the registry is up and that this machine can reach it"
	case RegistryUnauthorized:
		return "log in to the registry (helm registry login, docker login), or give --registry-config a file with a login for it"
	case PolicyInvalid:
		return "fix the policy under --policy"
	case TrustRootUnavailable:
		return "give --trusted-root a current trusted_root.json, or --policy the TrustRoot that the identity names"
	case Timeout:
		return "try again with a longer --timeout"
	case InternalError:
		return "try again; if the error persists, report the cause on standard error"
	default:
		return nextFor(reason)
	}
}

// Local returns v for the user of "chartgate verify": the general next steps are those that can be
// taken on that machine. The function next returns a better one where it knows it, and ""
// otherwise.
func (v Verdict) Local(next func(Denial) string) Verdict {
	denials := make([]Denial, 0, len(v.denials))
	for _, d := range v.Denials() {
		if d.Exclusion != nil {
			d.Next = d.Exclusion.Otherwise
		}
		if better := next(d); better != "" {
			d.Next = better
		} else if d.Next == nextFor(d.Reason) {
			d.Next = localNext(d.Reason)
		}
		if d.Summary == internalSummary {
			d.Summary = internalLocally
		}
		if d.Exclusion != nil {
			out := *d.Exclusion
			out.Otherwise = d.Next
			d.Exclusion, d.Next = &out, out.local()
		}
		denials = append(denials, d)
	}
	v.denials = denials
	return v
}

// withNext returns the denials of an object of that kind, each with a next step.
func withNext(kind string, denials []Denial) []Denial {
	complete := make([]Denial, 0, len(denials))
	for _, d := range denials {
		if strings.TrimSpace(plain(d.Next)) == "" {
			d.Next = nextFor(d.Reason)
		}
		if d.Reason == ReferenceInvalid && d.Next == nextFor(ReferenceInvalid) {
			d.Next = referenceNext(kind)
		}
		if d.Exclusion != nil {
			out := *d.Exclusion
			out.Otherwise = d.Next
			d.Exclusion, d.Next = &out, out.next()
		}
		complete = append(complete, d)
	}
	return complete
}

// referenceNext says how to name a chart in objects of that kind.
func referenceNext(kind string) string {
	switch kind {
	case "HelmRepository":
		return "write spec.url as oci://host/path with spec.type oci, in lower case and without a tag, or as https://host/path"
	case "OCIRepository":
		return "write spec.url as oci://host/path, in lower case and without a tag, and the version in spec.ref.tag (1.2.3) or spec.ref.digest (sha256:…)"
	case "HelmRelease", "HelmChart":
		return "write the chart's name in chart, in lower case and without a tag, and its version in version, as in 1.2.3; the path before it belongs into the HelmRepository's spec.url"
	case "Application":
		return "write repoURL as host/path with the chart's name in chart, or as oci://host/path without chart, in lower case and without a tag; the version goes into targetRevision"
	case "Chart":
		return "write oci://host/path:1.2.3 or oci://host/path@sha256:…, in lower case"
	default:
		return nextFor(ReferenceInvalid)
	}
}

// kubernetesName matches names of objects and namespaces. Other text is never put into a command
// that users paste.
var kubernetesName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// Reconcile returns the command that makes Flux reconcile one of its objects. Text that cannot be
// the name of an object is not put into a command.
func Reconcile(kind, namespace, name string) string {
	resource := strings.ToLower(kind)
	for _, part := range []string{resource, namespace, name} {
		if !kubernetesName.MatchString(part) {
			return "annotate " + Subject{Kind: kind, Namespace: namespace, Name: name}.String() + " with reconcile.fluxcd.io/requestedAt"
		}
	}
	return "kubectl -n " + namespace + " annotate --overwrite " + resource + "/" + name +
		` reconcile.fluxcd.io/requestedAt="$(date +%s)"`
}
