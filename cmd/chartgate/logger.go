package main

import (
	"fmt"
	"io"

	"github.com/go-logr/logr"
	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// newLogger returns a structured logger. At level debug it shows every write, also
// those that change no chart.
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
	return zap.New(zap.WriteTo(w), zap.Level(l), encoder), nil
}
