package main

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/chartgate/chartgate/hack/internal/binary"
)

// packPlugins packs helm's plugins with a program, under the names by which helm finds out what they are called.
func (r *release) packPlugins(ctx context.Context, b binary.Binary) (names []string, err error) {
	platform := b.OS + "-" + b.Arch
	cmd := exec.CommandContext(ctx, "hack/plugins/pack.sh", b.Path, r.number, platform, r.output)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pack helm's plugins for %s: %w\n%s", b, err, out)
	}
	for _, plugin := range []string{"chartgate", "chartgate-getter"} {
		names = append(names, fmt.Sprintf("%s-%s-%s.tgz", plugin, r.number, platform))
	}
	return names, nil
}
