package chart

// Pinning says how firmly a reference names its content. The order is from
// loose to firm, so levels compare with <.
type Pinning int

const (
	// Floating references mean other content tomorrow: ranges, "latest",
	// branch-like tags, incomplete versions. It is the zero value: what is not
	// known to be pinned floats.
	Floating Pinning = iota
	// Version references are one complete semantic version. A registry can
	// still be made to move such a tag.
	Version
	// ByDigest references name the content itself.
	ByDigest
)

// String returns the level as policies spell it.
func (p Pinning) String() string {
	switch p {
	case Version:
		return "Version"
	case ByDigest:
		return "Digest"
	default:
		return "Floating"
	}
}
