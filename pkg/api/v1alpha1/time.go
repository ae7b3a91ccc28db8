package v1alpha1

import (
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Time is a time in RFC 3339. By its format alone, the API server also stores texts that Go does not
// read, such as "2027-01-01t00:00:00z"; only the rules of Validity refuse them. Such a text is kept
// instead of a time: one object that cannot be decoded would keep chartgate from reading all objects
// of its kind.
//
// +kubebuilder:validation:Type=string
// +kubebuilder:validation:Format=date-time
type Time struct {
	Time metav1.Time
	// Invalid is the text if it is no time; Time is zero then.
	Invalid string
}

// NewTime returns a Time.
func NewTime(at time.Time) *Time { return &Time{Time: metav1.NewTime(at)} }

// UnmarshalJSON reads a text; it fails for what is no text.
func (t *Time) UnmarshalJSON(data []byte) error {
	*t = Time{}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	if err := t.Time.UnmarshalJSON(data); err != nil {
		*t = Time{Invalid: text}
	}
	return nil
}

// MarshalJSON writes what was read.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.Invalid != "" {
		return json.Marshal(t.Invalid)
	}
	return t.Time.MarshalJSON()
}

// UnmarshalJSON reads a status. One that cannot be read is empty, and is written again: a status
// decides nothing.
func (s *Status) UnmarshalJSON(data []byte) error {
	type plain Status
	var read plain
	if err := json.Unmarshal(data, &read); err != nil {
		read = plain{}
	}
	*s = Status(read)
	return nil
}

// UnmarshalJSON is that of Status.
func (s *TrustRootStatus) UnmarshalJSON(data []byte) error {
	var read struct {
		Version   int64        `json:"version"`
		Expires   *metav1.Time `json:"expires"`
		Refreshed *metav1.Time `json:"refreshed"`
		Digest    string       `json:"digest"`
	}
	if err := json.Unmarshal(data, &read); err != nil {
		*s = TrustRootStatus{}
		return nil
	}
	s.Version, s.Expires, s.Refreshed, s.Digest = read.Version, read.Expires, read.Refreshed, read.Digest
	return s.Status.UnmarshalJSON(data)
}
