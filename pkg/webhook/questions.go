package webhook

import (
	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/source"
)

// Questions puts the uses of charts that a write makes to the gate. It is the one place where what
// Flux's and Argo CD's objects mean becomes what the gate decides about. A target that it does not
// know becomes nil, which the gate denies.
func Questions(uses []source.Use, asker gate.Asker) []gate.Question {
	var questions []gate.Question
	for _, use := range uses {
		questions = append(questions, gate.Question{
			Object: objectOf(use.Object), Field: use.Field, Target: targetOf(use.Target),
			Deferrable: use.Deferrable, Unstored: use.Unstored, Asker: asker,
		})
	}
	return questions
}

func targetOf(target source.Target) gate.Target {
	switch target := target.(type) {
	case source.Chart:
		return gate.Chart{
			Reference: target.Reference, Auth: target.Auth, Artifact: artifactOf(target.Artifact),
			FromElsewhere: target.FromElsewhere, LayerRule: target.LayerRule, MaybeChart: target.MaybeChart, UsedElsewhere: target.UsedElsewhere,
		}
	case source.Repository:
		return gate.Repository{Location: target.Location}
	case source.Unresolved:
		return gate.Unresolved{Err: target.Err, Reference: target.Reference}
	default:
		return nil
	}
}

func artifactOf(held *source.Artifact) *gate.Artifact {
	if held == nil {
		return nil
	}
	return &gate.Artifact{
		Source: objectOf(held.Source), Manifest: held.Manifest, Archive: held.Archive,
		Incomparable: held.Incomparable, Extracted: held.Extracted, Ignore: held.Ignore,
		Outdated: held.Outdated, Stale: held.Stale, ByController: held.ByController,
	}
}

func objectOf(id source.ID) gate.Object {
	return gate.Object{Kind: id.Kind, Namespace: id.Namespace, Name: id.Name}
}
