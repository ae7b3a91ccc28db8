package helmchart_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
)

var upgradeInNotes = regexp.MustCompile(`(?m)^ +helm (upgrade chartgate CHART .*--set mode=Enforce)$`)

// TestFromWarnToEnforce: the command in the notes of an installation in mode Warn turns the gate on,
// and keeps the other values.
func TestFromWarnToEnforce(t *testing.T) {
	c := theControlPlane(t)
	warns := c.helm("", "install", "chartgate", chartDir, "--set", "mode=Warn", "--set", "replicas=3")
	c.hasMode("Warn", admissionv1.Ignore)
	command := upgradeInNotes.FindStringSubmatch(warns)
	if !strings.Contains(warns, "chartgate ONLY WARNS (mode: Warn)") || command == nil {
		t.Fatalf("the notes do not say that it only warns:\n%s", warns)
	}
	enforces := c.helm("", strings.Fields(strings.Replace(command[1], "CHART", chartDir, 1))...)
	c.hasMode("Enforce", admissionv1.Fail)
	if !strings.Contains(enforces, "(mode: Enforce)") || strings.Contains(enforces, "ONLY WARNS") {
		t.Errorf("the notes do not say that it enforces:\n%s", enforces)
	}
}

// hasMode checks the mode of the pods, and what the API server does without them.
func (c *controlPlane) hasMode(mode string, without admissionv1.FailurePolicyType) {
	c.t.Helper()
	configuration, deployment := &admissionv1.ValidatingWebhookConfiguration{}, &appsv1.Deployment{}
	c.get("chartgate", configuration)
	c.get("chartgate", deployment)
	for _, webhook := range configuration.Webhooks {
		// That of the policies guards no chart.
		if webhook.Name != "policies.chartgate.dev" && *webhook.FailurePolicy != without {
			c.t.Errorf("%s has failurePolicy %s, want %s", webhook.Name, *webhook.FailurePolicy, without)
		}
	}
	args := deployment.Spec.Template.Spec.Containers[0].Args
	if !slices.Contains(args, "--mode="+mode) || *deployment.Spec.Replicas != 3 {
		c.t.Errorf("%d replicas with %q", *deployment.Spec.Replicas, args)
	}
}
