package cluster

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// AuditEvent is the part of an event in the API server's audit log that tests read.
type AuditEvent struct {
	Verb string `json:"verb"`
	User struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef struct {
		Resource    string `json:"resource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
		Subresource string `json:"subresource"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	Annotations map[string]string `json:"annotations"`
}

func (c *Cluster) auditLog() string { return filepath.Join(c.dir, "audit.log") }

// Audit returns the events so far about one object, oldest first. The API server writes them a
// moment after its answer.
func (c *Cluster) Audit(resource, namespace, name string) ([]AuditEvent, error) {
	file, err := os.Open(c.auditLog())
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var events []AuditEvent
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // the end, or a line that is being written
			return events, nil
		}
		var event AuditEvent
		if err := json.Unmarshal([]byte(strings.TrimSpace(line)), &event); err != nil {
			return nil, fmt.Errorf("read audit log: %w", err)
		}
		about := event.ObjectRef
		if about.Resource == resource && about.Namespace == namespace && about.Name == name {
			events = append(events, event)
		}
	}
}
