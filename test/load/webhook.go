package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// timeout is what the API server announces and waits: its default.
const timeout = 10 * time.Second

// webhook is the process that is measured.
type webhook struct {
	command *exec.Cmd
	stdin   io.Closer
	url     string
	client  *http.Client
}

// startWebhook starts this program again, as the webhook.
func startWebhook(ctx context.Context, s *store) (*webhook, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h := &webhook{command: exec.CommandContext(ctx, self, "-server"), client: apiServerClient()}
	h.command.Stderr = os.Stderr
	h.command.Env = append(os.Environ(), "GOMEMLIMIT=512000000") // as the chart sets it for its limit of 512Mi
	stdin, err := h.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	h.stdin = stdin
	stdout, err := h.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := h.command.Start(); err != nil {
		return nil, err
	}
	c, err := s.config()
	if err != nil {
		return nil, errors.Join(err, h.stop())
	}
	if err := json.NewEncoder(stdin).Encode(c); err != nil {
		return nil, errors.Join(err, h.stop())
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the webhook did not start: %w", err), h.stop())
	}
	h.url = strings.TrimSpace(line)
	return h, nil
}

// stop ends the process and waits for it.
func (h *webhook) stop() error {
	h.client.CloseIdleConnections()
	return errors.Join(h.stdin.Close(), h.command.Wait())
}

func (h *webhook) pid() int { return h.command.Process.Pid }

// apiServerClient speaks HTTP/2 and keeps its connections, as an API server does. The server is
// this program.
func apiServerClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}}
}

// errDenied is a wrong verdict: everything here is signed.
var errDenied = errors.New("denied")

// ask sends an AdmissionReview, which must be allowed.
func (h *webhook) ask(ctx context.Context, review []byte) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/validate-charts?timeout="+timeout.String(), bytes.NewReader(review))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	var answer struct {
		Response struct {
			Allowed bool `json:"allowed"`
			Status  struct {
				Message string `json:"message"`
			} `json:"status"`
		} `json:"response"`
	}
	if err := h.do(req, &answer); err != nil {
		return err
	}
	if !answer.Response.Allowed {
		return fmt.Errorf("%w: %s", errDenied, answer.Response.Status.Message)
	}
	return nil
}

// stats reads the process's measurements; with collected, after a garbage collection.
func (h *webhook) stats(ctx context.Context, collected bool) (stats, error) {
	url := h.url + "/stats"
	if collected {
		url += "?collect"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return stats{}, err
	}
	var s stats
	return s, h.do(req, &s)
}

func (h *webhook) do(req *http.Request, into any) error {
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the webhook answers %s", resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
