package trust

import "time"

// WithPace makes background updates follow each other faster.
func (r *Roots) WithPace(refresh, retry time.Duration) *Roots {
	r.pace = pace{refresh: refresh, retry: retry}
	return r
}

// WithBuiltin replaces the built-in repository: nobody but Sigstore can sign for theirs.
func (r *Roots) WithBuiltin(mirror string, root []byte) *Roots {
	r.builtin = r.builtinFrom(mirror, root)
	return r
}

// Refresh updates the sources that were started, as the background does when it is time.
func (r *Roots) Refresh() {
	for _, e := range *r.current.Load() {
		if e.source != nil {
			e.source.update()
		}
	}
	if s := r.builtin.source; s != nil && !s.begun.IsZero() {
		s.update()
	}
}

// Await waits for the first update of a TrustRoot.
func (r *Roots) Await(name string) { <-(*r.current.Load())[name].source.first }
