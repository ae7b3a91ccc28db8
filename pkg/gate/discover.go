package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/attachment"
	"github.com/chartgate/chartgate/pkg/chart"
	"github.com/chartgate/chartgate/pkg/evidence"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// Discovered is what is attached to a chart, for reports. It holds no evidence, so no verdict can be
// made from it.
type Discovered struct {
	Resolved   artifact.Resolved
	Statements []Statement
	// Failure is why some attachments could not be read; nil if all were.
	Failure error
}

// Statement is one signature or attestation of a chart.
type Statement struct {
	Signer evidence.Signer
	// Predicate is the type of an attestation, "" for a signature.
	Predicate string
	TrustRoot string
	Logged    bool
	// Identities are the names of the identities in the policies that the signer is.
	Identities []string
	// Unverified is why the statement could not be verified; Signer is then what it says of itself.
	Unverified string
}

// Resolve returns what the chart of a question means now, whatever its source holds. It is for
// reports and part of no verdict, so the answer may be as old as one for a dry run. Like Decide, it
// asks no registry before a policy matches.
func (g *Gate) Resolve(ctx context.Context, q Question) (artifact.Resolved, error) {
	x, err := g.lookAt(q)
	if err != nil {
		return artifact.Resolved{}, err
	}
	if x.policies.IsEmpty() {
		return artifact.Resolved{}, &problem.Error{Kind: problem.KindUnsupported, Detail: "no policy matches " + x.reference.String() + ", so its registry is not asked"}
	}
	return x.resolve(ctx)
}

// Discover returns who signed the chart of a question, as far as the signers in wanted make it
// possible to tell, and who the others say they are. It asks any registry, also where no policy
// matches: it is for a person who asks about their own cluster, and never for a webhook, to which a
// tenant could name any host.
func (g *Gate) Discover(ctx context.Context, q Question, wanted evidence.Wanted) (found Discovered, err error) {
	defer func() {
		if r := recover(); r != nil {
			found, err = Discovered{}, fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	x, err := g.lookAt(q)
	if err != nil {
		return Discovered{}, err
	}
	if found.Resolved, err = x.resolve(ctx); err != nil {
		return Discovered{}, err
	}
	wanted.Predicates = x.policies.Wanted().Predicates
	where := attachment.Search{Access: x.access, Repositories: x.policies.SignatureRepositories(), Predicates: wanted.Predicates}
	for material, failure := range g.registry.Signatures(ctx, found.Resolved, where) {
		switch {
		case failure != nil:
			found.Failure = cmp.Or(found.Failure, failure)
		case !material.Unread:
			found.add(g.statements(ctx, x, found.Resolved.Digest, material, wanted))
		}
	}
	return found, nil
}

// lookAt returns the examination of the chart of a question without what its source holds.
func (g *Gate) lookAt(q Question) (*examination, error) {
	asked, ok := q.Target.(Chart)
	set := g.policies.Current()
	switch {
	case set == nil:
		return nil, errors.New("the policies have not been loaded yet")
	case !ok || asked.Reference.Location.IsZero() || asked.Reference.Selector.IsZero():
		return nil, errors.New("the question names no chart")
	case !asked.Reference.Location.IsOCI():
		return nil, &problem.Error{Kind: problem.KindNotOCI, Detail: asked.Reference.String() + " is not in an OCI registry"}
	}
	asked.Artifact = nil
	q.Asker.DryRun = true // nothing is stored
	return g.newExamination(admission{question: q, set: set, now: g.now()}, asked), nil
}

// statements returns what one attachment says.
func (g *Gate) statements(
	ctx context.Context, x *examination, digest chart.Digest, material attachment.Attachment, wanted evidence.Wanted,
) []Statement {
	proven, err := g.verifier.Verify(ctx, digest, material, wanted)
	if err != nil {
		unproven := Statement{Unverified: verdict.FromError(err).Summary}
		if rejection, ok := errors.AsType[*verdict.Rejection](err); ok {
			unproven.Signer = rejection.Claims
		}
		return []Statement{unproven}
	}
	var all []Statement
	for _, e := range proven {
		all = append(all, Statement{
			Signer: e.Signer, Predicate: e.Predicate, TrustRoot: e.TrustRoot, Logged: e.Logged,
			Identities: x.set.Named(x.reference.Location, e),
		})
	}
	return all
}

// maxStatements bounds the statements about one chart in a report: anyone who can push may attach
// hundreds, and the verified ones come first.
const maxStatements = 50

// add adds statements that say something new, and counts at most maxStatements that are unverified.
func (d *Discovered) add(more []Statement) {
	for _, s := range more {
		if slices.ContainsFunc(d.Statements, func(other Statement) bool { return other.says(s) }) {
			continue
		}
		if s.Unverified == "" || len(d.Statements) < maxStatements {
			d.Statements = append(slices.DeleteFunc(d.Statements, s.says), s)
		}
	}
}

// says reports whether s says all that another statement says. A log entry is what a signature by a
// key has beside one without: any trust root proves the latter.
func (s Statement) says(other Statement) bool {
	same := s.Signer.Describe() == other.Signer.Describe() && s.Predicate == other.Predicate && s.Unverified == other.Unverified
	return same && (s.Logged == other.Logged && s.TrustRoot == other.TrustRoot || s.Logged && !other.Logged && s.Signer.Key != "")
}
