package webhook

import (
	"errors"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// record writes the one audit line of a decision. Writes without a use are too many
// to log at the default level.
func record(log logr.Logger, req admission.Request, found findings, took time.Duration) {
	log = log.WithValues("kind", req.Kind.Kind, "namespace", req.Namespace, "name", req.Name, "subresource", req.SubResource,
		"operation", req.Operation, "user", req.UserInfo.Username, "dryRun", isDryRun(req), "took", took.String())
	if len(found.verdicts) == 0 {
		log.V(1).Info("unchanged")
		return
	}
	for _, v := range found.verdicts {
		line := log.WithValues("field", v.Subject.Field, "chart", v.Subject.Reference.String(),
			"digest", v.Subject.Digest.String(), "verdict", v.String(), "reason", v.Reason(), "signers", signers(v))
		if causes := v.Causes(); len(causes) > 0 {
			line = line.WithValues("causes", errors.Join(causes...).Error())
		}
		line.Info("decided", "message", v.Message())
	}
}
