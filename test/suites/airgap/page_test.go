package airgap_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/chartgate/chartgate/test/harness"
)

// readPage reads docs/air-gapped.md. Every block of commands must say where it is run, so that every
// block is tested.
func readPage() ([]harness.Block, error) {
	blocks, err := harness.ReadPage("docs", "air-gapped.md")
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		if len(b.Steps) > 0 && !isOutside(b) && !isInside(b) {
			return nil, fmt.Errorf("the page does not say where this is run:\n%s", b.Text)
		}
	}
	return blocks, nil
}

func isOutside(b harness.Block) bool { return strings.HasPrefix(b.Mark, "outside") }
func isInside(b harness.Block) bool  { return strings.HasPrefix(b.Mark, "inside") }

// follow runs the selected blocks in a folder, with the programs at path before those of bin/. adapt
// replaces what only readers have by what the test has; install does what helm install and a kubelet
// do.
func follow(ctx context.Context, dir, path string, env []string, blocks []harness.Block, selected func(harness.Block) bool, adapt func(string) string, install func() error) error {
	s, err := harness.OpenShell(ctx, dir, path, env)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, b := range blocks {
		if !selected(b) {
			continue
		}
		for _, step := range b.Steps {
			if strings.HasPrefix(step.Command, "helm install ") {
				if err := install(); err != nil {
					return fmt.Errorf("%s%w", step.Command, err)
				}
				continue
			}
			printed, err := s.Run(adapt(step.Command), strings.Contains(b.Mark, "fails"))
			if err == nil {
				err = step.CheckLines(printed)
			}
			if err != nil {
				return fmt.Errorf("%s%w\n%s", step.Command, err, printed)
			}
		}
	}
	return nil
}
