package sigstore

import "time"

// Option makes a signature differ from the usual one: signed now, by a certificate issued now and promised to
// the certificate transparency log, logged in Rekor, timestamped. Most options make it one to be refused.
type Option func(*options)

type options struct {
	issuedAt, signedAt                        time.Time
	noSCT, noLog, noTimestamp, unrelatedEntry bool
	issuer, stamper                           *Sigstore
	stampedAt                                 time.Time // zero: signedAt
	intotoEntry                               bool
	rewrite, tamper                           func([]byte) []byte
}

func (s *Sigstore) options(opts []Option) *options {
	now := s.clock()
	o := &options{issuedAt: now, signedAt: now, issuer: s, stamper: s, rewrite: unchanged, tamper: unchanged}
	for _, opt := range opts {
		opt(o)
	}
	o.issuedAt = o.issuedAt.UTC().Truncate(time.Second)
	o.signedAt = o.signedAt.UTC().Truncate(time.Second)
	if o.stampedAt.IsZero() {
		o.stampedAt = o.signedAt
	}
	return o
}

func unchanged(b []byte) []byte { return b }

// At moves everything to another time: a good signature of that day.
func At(t time.Time) Option { return func(o *options) { o.issuedAt, o.signedAt = t, t } }

// CertificateAt issues the certificate at another time than that of signing. It is valid for ten minutes, so an
// hour ago means: signed with an expired certificate.
func CertificateAt(t time.Time) Option { return func(o *options) { o.issuedAt = t } }

// SignedAt lets the log and the timestamp authority see the signature at another time than that at which the
// certificate was issued.
func SignedAt(t time.Time) Option { return func(o *options) { o.signedAt = t } }

// CertificateOf takes the certificate from another Sigstore, while log and timestamp are genuine: anyone may have
// a certificate authority, and log with it.
func CertificateOf(other *Sigstore) Option { return func(o *options) { o.issuer = other } }

// WithoutSCT leaves the certificate transparency log's promise out of the certificate.
func WithoutSCT() Option { return func(o *options) { o.noSCT = true } }

// WithoutLog does not log the signature in Rekor.
func WithoutLog() Option { return func(o *options) { o.noLog = true } }

// WithoutTimestamp does not ask the timestamp authority.
func WithoutTimestamp() Option { return func(o *options) { o.noTimestamp = true } }

// TimestampBy takes the timestamp, of that time, from the authority of another Sigstore, or of the same one.
func TimestampBy(other *Sigstore, at time.Time) Option {
	return func(o *options) { o.stamper, o.stampedAt = other, at }
}

// UnrelatedLogEntry presents a genuine log entry of another signature, by the same key over other content.
func UnrelatedLogEntry() Option { return func(o *options) { o.unrelatedEntry = true } }

// IntotoLogEntry logs a legacy attestation in the older kind of entry.
func IntotoLogEntry() Option { return func(o *options) { o.intotoEntry = true } }

// Rewritten changes the statement before it is signed: a signer who writes odd ones.
func Rewritten(change func(statement []byte) []byte) Option {
	return func(o *options) { o.rewrite = change }
}

// Tampered changes what was signed after it was signed and logged: the statement of a bundle, the payload of a
// legacy signature, the digest of a message signature.
func Tampered(change func(signed []byte) []byte) Option {
	return func(o *options) { o.tamper = change }
}
