package faults_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
)

// caller calls a replica as an API server does, over HTTP/2 on a connection that it keeps.
type caller struct {
	client *http.Client
	review []byte
}

func newCaller() *caller {
	nowhere := world{}
	review, err := json.Marshal(unchanged(nowhere.argo(map[string]any{})).review())
	if err != nil {
		panic(err)
	}
	return &caller{review: review, client: &http.Client{Transport: &http.Transport{
		// Only this process knows the address.
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}}}
}

func (c *caller) call(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+"/validate-charts?timeout=10s", bytes.NewReader(c.review))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the replica answers %s", resp.Status)
	}
	return nil
}
