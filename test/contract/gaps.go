package contract

// gaps are the rules by which Argo CD fetches a chart that pkg/source does not see
// yet, and for each an Application that shows it. The other tests leave them out. When
// pkg/source closes one, a test says so: delete it here then.
var gaps = map[How]string{
	Hydrated: `{"spec":{"sourceHydrator":{
		"drySource":{"repoURL":"oci://ghcr.io/acme/podinfo","targetRevision":"1.2.3","path":"."},
		"syncSource":{"targetBranch":"6.6.6","path":"."}}}}`,
	Uneven:    `{"operation":{"sync":{"sources":[` + evil + `,` + git + `],"revisions":["1.2.3"]}}}`,
	Refreshed: `{"operation":{"retry":{"limit":-1,"refresh":true},"sync":{"source":` + evil + `,"revision":"1.2.3"}}}`,
}

// open reports whether pkg/source is known not to see p.
func open(p Pull) bool {
	_, gap := gaps[p.How]
	return gap
}
