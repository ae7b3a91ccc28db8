package gate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/problem"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// Fetch is Decide for a consumer that takes the chart from chartgate instead of the registry: with a
// verdict that admits, it returns the chart's archive. What was verified is fetched by the digest that
// was verified, so a tag that moves meanwhile changes nothing. Whatever fails is a denial, and a denial
// has no archive.
func (g *Gate) Fetch(ctx context.Context, question Question) (verdict.Verdict, []byte) {
	decided := g.Decide(ctx, question)
	if !decided.Admits() {
		return decided, nil
	}
	content, err := g.fetch(ctx, question, decided)
	if err != nil {
		return verdict.Deny(decided.Subject, verdict.FromError(err)), nil
	}
	return decided, content
}

// fetch returns the archive of a chart that was admitted.
func (g *Gate) fetch(ctx context.Context, question Question, decided verdict.Verdict) ([]byte, error) {
	asked, ok := question.Target.(Chart)
	if !ok {
		return nil, errors.New("only a chart has an archive")
	}
	switch digest := decided.Subject.Digest; {
	case !digest.IsZero():
		asked.Reference.Selector = asked.Reference.Selector.At(digest)
	case decided.Waived(), decided.Warned():
		// Nothing was proven: it is what the reference means now.
	default:
		return nil, fmt.Errorf("the verdict %s names no digest", decided)
	}
	resolved, err := g.newExamination(admission{question: question, set: g.policies.Current(), now: g.now()}, asked).resolve(ctx)
	if err != nil {
		return nil, err
	}
	if err := resolved.CheckLayer(asked.LayerRule); err != nil {
		return nil, err
	}
	content, err := g.registry.Archive(ctx, resolved, asked.Auth)
	if err != nil {
		return nil, err
	}
	return content, checkArchive(content, resolved)
}

// checkArchive hashes the archive before it is handed over. The registry client has done so, too;
// nothing may depend on that.
func checkArchive(content []byte, resolved artifact.Resolved) error {
	sum := sha256.Sum256(content)
	if computed := hex.EncodeToString(sum[:]); computed != resolved.Layer.Hex() {
		return &problem.Error{
			Kind:   problem.KindDigestMismatch,
			Detail: fmt.Sprintf("the archive of %s@%s has the digest sha256:%s, not %s", resolved.Location, resolved.Digest, computed, resolved.Layer),
		}
	}
	return nil
}

// Tags lists the tags of the repository that the question names. They are names: nothing is verified
// until one of them is asked for. Like every request, this one needs a policy that matches the chart.
func (g *Gate) Tags(ctx context.Context, question Question) (verdict.Verdict, []string) {
	subject, set := question.subject(), g.policies.Current()
	asked, ok := question.Target.(Repository)
	if set == nil || !ok {
		return verdict.Deny(subject, verdict.FromError(errors.New("no policies, or no repository"))), nil
	}
	matching := set.For(asked.Location).Policies()
	if len(matching) == 0 {
		return verdict.Deny(subject, noPolicy(set, subject)), nil
	}
	tags, err := g.registry.Tags(ctx, asked.Location)
	if err != nil {
		return verdict.Deny(subject, verdict.FromError(err)), nil
	}
	return verdict.Cover(subject, matching[0].Name()), tags
}
