package source

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/chartgate/chartgate/pkg/problem"
)

// attempt is what helm-controller writes into the status of a HelmRelease about an action: before
// each install and upgrade what it is about to deploy, and afterwards what it has deployed. While
// the first of these writes is denied, nothing is installed or upgraded, and helm-controller tries
// again (observed with 1.6.4; internal/reconcile/atomic_release.go). Everything else is stored by
// then, so this write is the last gate for Flux.
type attempt struct {
	Revision       string           `json:"lastAttemptedRevision"`
	RevisionDigest string           `json:"lastAttemptedRevisionDigest"`
	ConfigDigest   string           `json:"lastAttemptedConfigDigest"`
	ValuesChecksum string           `json:"lastAttemptedValuesChecksum"` // before 1.0
	Conditions     []condition      `json:"conditions"`
	History        *json.RawMessage `json:"history"`
}

type condition struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// deploying returns the message of the condition by which helm-controller announces an action that
// deploys the source's chart; "" if there is no such condition. It is patched before the other
// fields of status, and changes even where an action repeats the last attempt: a retry, or the same
// version again from a source that has changed since. The actions on the list use what is stored in
// the cluster already; an unknown action counts as a deployment.
func (a attempt) deploying() string {
	const prefix = "Running '"
	i := slices.IndexFunc(a.Conditions, func(c condition) bool { return c.Type == "Reconciling" })
	if i < 0 {
		return ""
	}
	message := a.Conditions[i].Message
	action, is := strings.CutPrefix(message, prefix)
	if !is {
		return ""
	}
	action, _, _ = strings.Cut(action, "'")
	switch action {
	case "rollback", "uninstall", "unlock", "test", "correct cluster drift":
		return ""
	default:
		return message
	}
}

// announcements counts the conditions of type Reconciling. helm-controller writes one. Of two, it
// gives the first the text of the second one (conditions.NewPatch of fluxcd/pkg/runtime 0.110), so
// that an action would never be announced.
func (a attempt) announcements() int {
	n := 0
	for _, c := range a.Conditions {
		if c.Type == "Reconciling" {
			n++
		}
	}
	return n
}

// record returns what only helm-controller may write, as one comparable text. helm-controller
// compares the history with its storage and rolls back to what is written there, and after a forged
// attempt the real one would not be a change.
func (a attempt) record() (string, error) {
	var history any
	if a.History != nil {
		if err := json.Unmarshal(*a.History, &history); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal([]any{a.Revision, a.RevisionDigest, a.ConfigDigest, a.ValuesChecksum, history})
	return string(text), err
}

// emptyRecord is that of a HelmRelease that has never been installed.
const emptyRecord = `["","","","",null]`

// attemptFields reads the attempt in the status of a HelmRelease, written by helm-controller, or
// the forged record of another user.
func (e *Extractor) attemptFields(w Write, release helmRelease) ([]gatedField, error) {
	attempt := release.Status.attempt
	if !slices.Contains(e.options.ReleaseWriters, w.User) {
		record, err := attempt.record()
		if err != nil {
			return nil, problem.Invalid("status.history of the HelmRelease cannot be read")
		}
		var fields []gatedField
		if w.Old != nil || record != emptyRecord {
			fields = append(fields, recordField{user: w.User, record: record})
		}
		if message := attempt.deploying(); message != "" {
			fields = append(fields, recordField{user: w.User, record: message})
		}
		if n := attempt.announcements(); n > 1 {
			fields = append(fields, recordField{user: w.User, record: fmt.Sprintf("%d conditions of type Reconciling", n)})
		}
		return fields, nil
	}
	from := release.installsFrom(w.ID)
	var fields []gatedField
	if message := attempt.deploying(); message != "" {
		fields = append(fields, attemptField{chartRefField: from, path: "status.conditions", announced: message})
	}
	f := attemptField{
		chartRefField: from, path: "status.lastAttemptedRevision", revision: attempt.Revision, digest: attempt.RevisionDigest,
		values: attempt.ConfigDigest + attempt.ValuesChecksum,
	}
	if f.revision+f.digest+f.values != "" {
		fields = append(fields, f)
	}
	return fields, nil
}

// attemptField is one action of helm-controller that deploys what its source holds.
type attemptField struct {
	chartRefField // the source
	path          string
	// Either an action is announced, or what it deploys is recorded.
	announced                string
	revision, digest, values string
}

// key keeps the source of an announcement only. The record of another source is as old as its own
// fields: helm-controller leaves it as it is until the next action, which is announced.
func (f attemptField) key() gatedField {
	if f.announced == "" {
		f.chartRefField = chartRefField{}
	}
	return f
}

// use never defers, and its artifact is always a chart: what the source has pulled is deployed
// next.
func (f attemptField) use(ctx context.Context, e *Extractor) Use {
	use := f.useNow(ctx, e)
	use.Field, use.Deferrable = f.path, false
	if found, ok := use.Target.(Chart); ok {
		found.MaybeChart = false
		use.Target = found.unless(f.checkHeld(found.Artifact))
	}
	return use
}

// checkHeld compares the artifact that the source holds with the record.
func (f attemptField) checkHeld(held *Artifact) error {
	switch {
	case held == nil:
		return &problem.Error{
			Kind:   problem.KindSourceNotFound,
			Detail: fmt.Sprintf("%s %s/%s has not pulled the chart, so there is nothing to verify", f.kind, f.namespace, f.name),
			Next:   "find out why it has pulled nothing: " + problem.Command("kubectl", "describe", strings.ToLower(f.kind), "-n", f.namespace, f.name),
		}
	case f.announced == "" && !f.deploys(*held):
		return &problem.Error{
			Kind: problem.KindDigestMismatch,
			Detail: fmt.Sprintf("the release is about to deploy %s, but %s %s/%s holds %s now",
				problem.QuoteInput(f.digest), f.kind, f.namespace, f.name, held.Manifest),
			Next: "wait until helm-controller retries with what the source holds now",
		}
	default:
		return nil
	}
}

// deploys reports whether the digest that helm-controller names is that of the artifact. It names a
// digest for OCIRepositories only, since the artifact of a HelmChart has no digest of a manifest;
// where the tag is not a semantic version, it names the whole revision, "latest@sha256:…"
// (mutateChartWithSourceRevision, v1.6).
func (f attemptField) deploys(held Artifact) bool {
	if f.kind != sourcev1.OCIRepositoryKind {
		return f.digest == ""
	}
	digest := f.digest
	if _, named, tagged := strings.Cut(digest, "@"); tagged {
		digest = named
	}
	return !held.Manifest.IsZero() && digest == held.Manifest.String()
}

// recordField is the record of helm-controller as another user writes it.
type recordField struct{ user, record string }

func (f recordField) key() gatedField {
	f.user = ""
	return f
}

func (f recordField) use(context.Context, *Extractor) Use {
	return Use{Field: "status", Target: Unresolved{Err: &problem.Error{
		Kind:   problem.KindUnsupported,
		Detail: fmt.Sprintf("status.history and status.lastAttempted… are the record of helm-controller, and %s is not its user", problem.QuoteInput(f.user)),
		Next:   "leave status to helm-controller; if this was helm-controller, ask the cluster's admin to name its user with --release-writers (value releaseWriters)",
	}}}
}
