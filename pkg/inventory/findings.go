package inventory

import (
	"fmt"
	"time"

	"github.com/chartgate/chartgate/pkg/artifact"
	"github.com/chartgate/chartgate/pkg/verdict"
)

// WaiverNotice is how long before its end a waiver is a finding.
const WaiverNotice = 14 * 24 * time.Hour

// tagMoved returns the finding that the tag that is deployed means another digest now. Where a range
// has chosen another version since, nothing has moved: an upgrade is due.
func tagMoved(d Deployed, now artifact.Resolved) []Finding {
	if d.Is != Moved || now.Tag == "" || !d.isOf(now.Tag) {
		return nil
	}
	is := "whose manifest is " + d.Manifest
	if d.Manifest == "" {
		is = "whose archive is " + d.Archive + " and not " + now.Layer.String()
	}
	return []Finding{{Kind: TagMoved, Detail: fmt.Sprintf("the tag %s means %s now; deployed is content %s", now.Tag, now.Digest, is)}}
}

// waiverEnding returns the finding that a waiver, by which a chart is admitted, ends soon.
func waiverEnding(v verdict.Verdict, now time.Time) []Finding {
	var found []Finding
	for _, a := range v.Acceptances() {
		if a.WaiverEnds.IsZero() || a.WaiverEnds.Sub(now) > WaiverNotice {
			continue
		}
		// The text of the waiver holds its last day.
		found = append(found, Finding{Kind: WaiverEnding, Detail: fmt.Sprintf("the waiver in policy %s ends soon: %s", a.Policy, a.Waiver)})
	}
	return found
}
