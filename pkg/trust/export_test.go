package trust

import "time"

// WithPace makes background updates follow each other faster.
func (r *Roots) WithPace(refresh, retry time.Duration) *Roots {
	r.pace = pace{refresh: refresh, retry: retry}
	return r
}

// WithBuiltin replaces the built-in repository: only Sigstore can sign for its own.
func (r *Roots) WithBuiltin(mirror string, root []byte) *Roots {
	r.builtin = r.builtinFrom(mirror, root)
	return r
}

// Refresh updates the followers that were started, as the background does after a pause.
func (r *Roots) Refresh() {
	for _, t := range *r.current.Load() {
		if t.follower != nil {
			t.follower.update()
		}
	}
	if f := r.builtin.follower; f != nil && !f.begun.IsZero() {
		f.update()
	}
}

// Await waits for the first update of a TrustRoot.
func (r *Roots) Await(name string) { <-(*r.current.Load())[name].follower.first }
