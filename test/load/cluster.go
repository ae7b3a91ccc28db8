package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

const (
	// suspended is the number of HelmReleases that no gate has verified, each with a megabyte of
	// values.
	suspended = 200
	megabyte  = 1 << 20
	// rewrites is how many of them are written again each second.
	rewrites = 10
)

// cluster serves those HelmReleases as an API server does, in pages and as a watch.
type cluster struct {
	server *httptest.Server
	ended  chan struct{}
	values string
}

func newCluster() *cluster {
	c := &cluster{ended: make(chan struct{}), values: strings.Repeat("a", megabyte)}
	c.server = httptest.NewServer(http.HandlerFunc(c.serve))
	return c
}

func (c *cluster) close() {
	close(c.ended)
	c.server.Close()
}

func (c *cluster) release(number, version int) map[string]any {
	return map[string]any{
		"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
		"metadata": map[string]any{"namespace": "greedy", "name": fmt.Sprint("suspended-", number), "uid": fmt.Sprint(number), "resourceVersion": fmt.Sprint(version)},
		"spec": map[string]any{
			"suspend": true, "chartRef": map[string]any{"kind": "OCIRepository", "name": fmt.Sprint("none-", number)},
			"values": map[string]any{"much": c.values},
		},
	}
}

// serve answers lists and watches of HelmReleases; a watch that wants the list first is refused, so
// that pages are read.
func (c *cluster) serve(w http.ResponseWriter, req *http.Request) {
	query := req.URL.Query()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case !strings.HasSuffix(req.URL.Path, "/helmreleases"):
		http.NotFound(w, req)
	case query.Get("sendInitialEvents") != "":
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422}`)
	case query.Get("watch") != "":
		c.watch(w, req)
	default:
		c.list(w, query.Get("limit"), query.Get("continue"))
	}
}

func (c *cluster) list(w http.ResponseWriter, limit, from string) {
	size, _ := strconv.Atoi(limit)
	first, _ := strconv.Atoi(from)
	if size == 0 {
		size = suspended
	}
	last := min(first+size, suspended)
	var items []any
	for i := first; i < last; i++ {
		items = append(items, c.release(i, 1))
	}
	next := ""
	if last < suspended {
		next = fmt.Sprint(last)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmReleaseList",
		"metadata": map[string]any{"resourceVersion": "1", "continue": next}, "items": items,
	})
}

// watch tells of releases that are written again and again.
func (c *cluster) watch(w http.ResponseWriter, req *http.Request) {
	flush := http.NewResponseController(w)
	_ = flush.Flush()
	ticker := time.NewTicker(time.Second / rewrites)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-req.Context().Done():
			return
		case <-c.ended:
			return
		case <-ticker.C:
			if json.NewEncoder(w).Encode(map[string]any{"type": "MODIFIED", "object": c.release(n%suspended, n+2)}) != nil || flush.Flush() != nil {
				return
			}
		}
	}
}
