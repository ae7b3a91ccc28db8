package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestRegistryRequestsAreCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	instrument, err := countRequests(registry)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	client := http.Client{Transport: instrument(http.DefaultTransport)}
	for range 3 {
		response, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetMetric()[0].GetCounter().GetValue() != 3 {
		t.Errorf("%v, %v", families, err)
	}
	if _, err := countRequests(registry); err == nil {
		t.Error("no error for a counter that is registered twice")
	}
}
