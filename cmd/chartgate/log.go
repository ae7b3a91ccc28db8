package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/go-logr/logr"
	"go.uber.org/zap/zapcore"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// newLogger returns a structured logger. At level debug it shows every write, also those that
// change no chart.
func newLogger(w io.Writer, level, format string) (logr.Logger, error) {
	levels := map[string]zapcore.Level{"debug": zapcore.DebugLevel, "info": zapcore.InfoLevel, "error": zapcore.ErrorLevel}
	l, ok := levels[level]
	if !ok {
		return logr.Logger{}, fmt.Errorf("--log-level is %q, not debug, info or error", level)
	}
	encoder := zap.JSONEncoder()
	switch format {
	case "json":
	case "text":
		encoder = zap.ConsoleEncoder()
	default:
		return logr.Logger{}, fmt.Errorf("--log-format is %q, not json or text", format)
	}
	log := zap.New(zap.WriteTo(w), zap.Level(l), encoder)
	return log.WithSink(conflicts{log.GetSink()}), nil
}

// conflicts is a sink to which a write that another replica was faster with is no error: it is made
// again. Two pods that start at once race for the Lease, and the libraries log the loser's write as an
// error.
type conflicts struct{ logr.LogSink }

// Error implements logr.LogSink.
func (c conflicts) Error(err error, message string, keysAndValues ...any) {
	if !apierrors.IsConflict(err) {
		c.LogSink.Error(err, message, keysAndValues...)
		return
	}
	if level := 0; c.Enabled(level) {
		c.Info(level, message, slices.Concat(keysAndValues, []any{"error", err.Error()})...)
	}
}

// WithValues implements logr.LogSink.
func (c conflicts) WithValues(keysAndValues ...any) logr.LogSink {
	return conflicts{c.LogSink.WithValues(keysAndValues...)}
}

// WithName implements logr.LogSink.
func (c conflicts) WithName(name string) logr.LogSink { return conflicts{c.LogSink.WithName(name)} }
