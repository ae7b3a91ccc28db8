// Package command is what the programs below hack/ have in common: how they begin and end.
package command

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

// Main parses the flags, and runs a program until it ends or is interrupted. An error ends the process with exit code 1.
func Main(name string, run func(context.Context) error) {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}
