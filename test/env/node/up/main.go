// Command up starts a Kubernetes node for a person and keeps it until it is interrupted: make node.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/node"
)

func main() {
	node.Enter()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	n, err := node.Start(ctx)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, n.Log())
	}
	pid, err := n.PID()
	if err != nil {
		return err
	}
	bin, err := cluster.Path("bin")
	if err != nil {
		return err
	}
	fmt.Printf(`The node is ready. Enter it from another terminal:

  nsenter --target %s --mount --net --pid --wd=. env KUBECONFIG=%s PATH=%s:$PATH bash

There, kubectl and helm use it, and http://%s is its registry. Press Ctrl-C to end it.
`, pid, n.Kubeconfig, bin, n.Registry.Host())
	<-ctx.Done()
	return n.Stop()
}
