package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chartgate/chartgate/pkg/gate"
	"github.com/chartgate/chartgate/pkg/registry"
	"github.com/chartgate/chartgate/pkg/trust"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// testFlags are those of "chartgate test": it verifies as "chartgate verify" does.
type testFlags struct {
	verifyFlags
	offline bool
}

func newTestCommand() *cobra.Command {
	var f testFlags
	cmd := &cobra.Command{
		Use:   "test PATH... [--policy PATH|cluster] [--offline]",
		Short: "Test policies: compare verdicts with what you expect",
		Long: `Test policies: judge the cases of PolicyTest files, and compare the verdicts with what the files
expect. Directories are read with their subdirectories; documents of other kinds are left alone.
A PolicyTest is a file for this command, not a resource of a cluster.

With --offline no registry, KMS or TUF repository is asked: matching, pinning, waivers and the
identities that policies ask for are compared, and a case that needs more is skipped.

Exit code 0: every case is as expected, or skipped beside some that are. 1: a case is not. 2:
nothing was tested (no PolicyTest, a mistake in one, no policies, every case skipped).`,
		Example: "  chartgate test policies/tests --offline",
		Args:    cobra.MinimumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return f.runTests(cmd, args) },
	}
	flags := cmd.Flags()
	f.engineFlags.register(flags, "Deny")
	f.policies.register(flags)
	flags.BoolVar(&f.offline, "offline", false, "ask no registry, and skip the cases that need one")
	flags.StringVarP(&f.output, "output", "o", "text", "`format`: text or junit")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "longest `time` for each object")
	return cmd
}

func (f *testFlags) runTests(cmd *cobra.Command, paths []string) error {
	if f.output != "text" && f.output != "junit" {
		return fmt.Errorf("--output is %q, not text or junit", f.output)
	}
	tests, err := readTests(cmd.InOrStdin(), paths)
	if err != nil {
		return fmt.Errorf("read the tests: %w", err)
	}
	if !cmd.Flags().Changed("registry-config") {
		f.registryConfigs = localLogins()
	}
	var all testReport
	for _, test := range tests {
		outcomes, err := f.runTest(cmd, test)
		if err != nil {
			return fmt.Errorf("%s: %w", test.at, err)
		}
		all = append(all, outcomes...)
	}
	return all.print(cmd.OutOrStdout(), f.output)
}

// runTest judges the cases of a file.
func (f *testFlags) runTest(cmd *cobra.Command, test policyTest) (testReport, error) {
	policies, err := f.policiesOf(cmd, test)
	if err != nil {
		return nil, err
	}
	in := inputs{policies: policies, registry: registry.Options{Local: true}}
	if f.offline {
		in.client, in.verifier = offline{}, offline{}
	} else {
		roots, err := f.roots(trust.Options{Patience: f.timeout, Default: policies.defaultRoot})
		if err != nil {
			return nil, err
		}
		defer roots.Close()
		roots.Set(policies.trustRoots)
		in.roots = roots
		if in.client, err = f.client(in.registry); err != nil {
			return nil, err
		}
	}
	login, err := f.credentials()
	if err != nil {
		return nil, err
	}
	var outcomes testReport
	for i := range test.Cases {
		run := verifier{local: local{flags: &f.localFlags, stderr: cmd.ErrOrStderr(), login: login, policies: policies}}
		outcome, err := f.runCase(cmd.Context(), run, in, test, i)
		if err != nil {
			return nil, fmt.Errorf("cases[%d]: %w", i, err)
		}
		outcomes = append(outcomes, outcome)
	}
	return outcomes, nil
}

// policiesOf loads the policies of --policy or, without it, those that the file names.
func (f *testFlags) policiesOf(cmd *cobra.Command, test policyTest) (fixedPolicies, error) {
	from := f.policies
	if len(from.paths) == 0 {
		from.paths = test.relative(test.Policies)
	}
	if len(from.paths) == 0 {
		return fixedPolicies{}, errors.New("no policies to test: name their paths under policies, relative to the file, or give --policy")
	}
	if f.offline {
		from.kms = offline{}
	}
	ctx, stop := context.WithTimeout(cmd.Context(), f.timeout)
	defer stop()
	return from.load(ctx, cmd.InOrStdin(), io.Discard) // an invalid policy shows in the verdicts
}

// runCase judges a case, and compares.
func (f *testFlags) runCase(ctx context.Context, run verifier, in inputs, test policyTest, index int) (testOutcome, error) {
	c := test.Cases[index]
	at, err := c.time()
	if err != nil {
		return testOutcome{}, err
	}
	if !at.IsZero() {
		in.now = func() time.Time { return at }
	}
	read, err := test.reading(index)
	if err != nil {
		return testOutcome{}, err
	}
	objects, err := read.toObjects()
	if err != nil {
		return testOutcome{}, err
	}
	in.siblings = objects
	if run.engine, err = f.build(in); err != nil {
		return testOutcome{}, err
	}
	var references []string
	if c.Reference != "" {
		references = []string{c.Reference}
	}
	results, _, err := run.verify(ctx, read, objects, references)
	if err != nil {
		return testOutcome{}, err
	}
	outcome := testOutcome{file: test.at.file, position: test.at.find(fmt.Sprintf("cases[%d]", index)), name: c.Name}
	for _, r := range results {
		if name, _ := r.names(); c.Judge == "" || c.Judge == r.Object.Kind+" "+name {
			outcome.add(c.Expect, r, run.policies)
		}
	}
	if outcome.judged == 0 {
		return testOutcome{}, fmt.Errorf("case %q judges nothing: %s", c.Name, judgesNothing(c, results))
	}
	return outcome, nil
}

func judgesNothing(c testCase, results []result) string {
	if c.Judge == "" || len(results) == 0 {
		return "it holds no object that chartgate gates (HelmRelease, HelmRepository, HelmChart, OCIRepository, Application)"
	}
	var names []string
	for _, r := range results {
		name, _ := r.names()
		names = append(names, r.Object.Kind+" "+name)
	}
	return fmt.Sprintf("no object is %q; there are %s", c.Judge, strings.Join(names, ", "))
}

// testOutcome is how a case ended.
type testOutcome struct {
	file     string
	position position
	name     string
	judged   int
	// wrong is what is not as expected, one line each, and messages are the texts of these verdicts.
	wrong, messages []string
	// skipped is set where a registry would have to be asked.
	skipped bool
}

// add compares a result with what is expected.
func (o *testOutcome) add(want expectation, r result, policies gate.Policies) {
	o.judged++
	wrong, undecided := want.compare(r, policies)
	if len(wrong) > 0 {
		_, name := r.names()
		for _, text := range wrong {
			o.wrong = append(o.wrong, name+": "+text)
		}
		if !undecided {
			o.messages = append(o.messages, r.Message)
		}
	}
	o.skipped = o.skipped || undecided && (want.Verdict != "" || want.Reason != "")
}

// compare returns what is not as expected, and whether the verdict needs a registry that was not
// asked.
func (want expectation) compare(r result, policies gate.Policies) (wrong []string, undecided bool) {
	undecided = slices.ContainsFunc(r.verdict.Causes(), func(err error) bool { return errors.Is(err, errOffline) })
	differs := func(what, expected, found string) {
		wrong = append(wrong, fmt.Sprintf("%s: expected %s, found %s", what, orNone(expected), orNone(found)))
	}
	if !undecided {
		switch {
		case want.Verdict != "" && want.Verdict != r.Verdict && (want.Verdict != admitted || !r.admitted):
			differs("verdict", want.Verdict, r.Verdict)
		case want.Verdict != "" && want.Reason == "" && r.Reason.Obstacle():
			wrong = append(wrong, fmt.Sprintf("verdict: it is %s because chartgate could not find out (%s), which says nothing about the policies", r.Verdict, r.Reason))
		}
		if want.Reason != "" && want.Reason != r.Reason {
			differs("reason", string(want.Reason), string(r.Reason))
		}
	} else if why := want.decidedBefore(); why != "" {
		wrong = append(wrong, "verdict: expected "+why+", found that the policies ask the registry")
	}
	matching := policies.Current().For(r.verdict.Subject.Reference.Location)
	if want.Policy != "" {
		var names []string
		for _, p := range matching.Policies() {
			names = append(names, p.Name())
		}
		for _, a := range r.verdict.Acceptances() {
			names = append(names, a.Policy)
		}
		if !slices.Contains(names, want.Policy) {
			differs("policy", want.Policy, strings.Join(slices.Compact(names), ", "))
		}
	}
	if want.Asks != nil {
		expected := slices.Sorted(slices.Values(want.Asks))
		if found := matching.Identities(); !slices.Equal(expected, found) {
			differs("asks", strings.Join(expected, ", "), strings.Join(found, ", "))
		}
	}
	return wrong, undecided
}

// decidedBefore returns what of the expectation a gate would have found before it asks a registry; ""
// if a registry could still make it true.
func (want expectation) decidedBefore() string {
	switch {
	case want.Verdict == "AllowedUnverified", want.Verdict == "Covered", want.Verdict == "Deferred":
		return want.Verdict
	case slices.Contains([]verdict.Reason{verdict.NoPolicy, verdict.NotPinned, verdict.NotOCI, verdict.SourceNotFound, verdict.PolicyInvalid}, want.Reason):
		return string(want.Reason)
	default:
		return ""
	}
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
