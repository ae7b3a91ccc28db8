package sigstore

import (
	"fmt"

	"github.com/chartgate/chartgate/test/env/cluster"
	"github.com/chartgate/chartgate/test/env/process"
)

// server is a program of bin/ that serves HTTP on 127.0.0.1.
type server struct {
	*process.Server
	name, url string
}

// launch starts a program, which answers 200 at the path probe once it is ready.
func launch(name, url, probe, dir string, args ...string) (*server, error) {
	binary, err := cluster.Tool(name)
	if err != nil {
		return nil, err
	}
	started, err := process.Program{Binary: binary, Args: args, Dir: dir, Probe: url + probe}.Start()
	if err != nil {
		return nil, err
	}
	return &server{Server: started, name: name, url: url}, nil
}

func at(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }

func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		var err error
		if ports[i], err = process.FreePort(); err != nil {
			return nil, err
		}
	}
	return ports, nil
}
