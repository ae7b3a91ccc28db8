package trust

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// updateError is why an update brought no trust root.
type updateError struct {
	// refused is set where the mirror answered with metadata that TUF's rules refuse. Without it,
	// the mirror did not answer, or not with TUF metadata: that says nothing about the trust root.
	refused bool
	detail  string // for users
	err     error  // for the log
}

// within returns the error with the detail of a larger action in front.
func (e *updateError) within(format string, args ...any) *updateError {
	return &updateError{refused: e.refused, detail: fmt.Sprintf(format, args...) + ": " + e.detail, err: e.err}
}

// sizeError is an answer that is longer than its limit.
type sizeError struct {
	file  string
	limit int64
}

func (e *sizeError) Error() string {
	return fmt.Sprintf("%s has more than %d bytes", e.file, e.limit)
}

// mirrorError is a mistake of the mirror, with a text for users.
type mirrorError struct{ detail string }

func (e mirrorError) Error() string { return e.detail }

// classify says what the error of an update means. The fetcher knows which file it is about.
func (u *update) classify(err error) *updateError {
	file := u.fetcher.file
	if refusal := u.refusal(err, file); refusal != nil {
		return refusal
	}
	var status *metadata.ErrDownloadHTTP
	var long *sizeError
	var known mirrorError
	switch {
	case errors.As(err, &status):
		return &updateError{detail: fmt.Sprintf("it answered %d when asked for %s", status.StatusCode, file), err: err}
	case errors.As(err, &long):
		return &updateError{detail: fmt.Sprintf("%s is longer than the %d bytes that it may have", file, long.limit), err: err}
	case errors.As(err, &known):
		return &updateError{detail: known.detail, err: err}
	case u.fetcher.failed:
		return &updateError{detail: unreachable(err), err: err}
	case u.fetcher.asked && !onDisk(err):
		return &updateError{detail: file + " is not TUF metadata", err: err}
	default:
		return &updateError{detail: "the directory of --tuf-cache cannot be used", err: err}
	}
}

func onDisk(err error) bool {
	var path *fs.PathError
	var link *os.LinkError
	return errors.As(err, &path) || errors.As(err, &link)
}

// refusal returns the error as a refusal by TUF's rules; nil if it is another error.
func (u *update) refusal(err error, file string) *updateError {
	var unsigned *metadata.ErrUnsignedMetadata
	var version *metadata.ErrBadVersionNumber
	var expired *metadata.ErrExpiredMetadata
	var content *metadata.ErrLengthOrHashMismatch
	var other *metadata.ErrRepository
	detail := ""
	switch {
	case errors.As(err, &unsigned):
		detail = file + " is not signed by the keys that the trusted root names: another repository's, or forged"
	case errors.As(err, &version) && strings.HasSuffix(file, "root.json"):
		detail = file + " holds another version of the root"
	case errors.As(err, &version):
		detail = file + " is of another version than the newest one seen: a rollback, or parts of different versions"
	case errors.As(err, &expired):
		detail = u.expired(file)
	case errors.As(err, &content):
		detail = file + " is not what the signed metadata describe (length or hash)"
	case errors.As(err, &other):
		detail = file + " does not fit the signed metadata"
	default:
		return nil
	}
	return &updateError{refused: true, detail: detail, err: err}
}

// expired names the file that has expired.
func (u *update) expired(file string) string {
	trusted := u.updater.GetTrustedMetadataSet()
	const text = "%s expired on %s"
	switch {
	case trusted.Root.Signed.IsExpired(u.now):
		return fmt.Sprintf(text, "root.json", day(trusted.Root.Signed.Expires))
	case trusted.Timestamp != nil && trusted.Timestamp.Signed.IsExpired(u.now):
		return fmt.Sprintf(text, "timestamp.json", day(trusted.Timestamp.Signed.Expires))
	case trusted.Snapshot != nil && trusted.Snapshot.Signed.IsExpired(u.now):
		return fmt.Sprintf(text, "snapshot.json", day(trusted.Snapshot.Signed.Expires))
	default:
		return file + " has expired"
	}
}

func day(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// unreachable says why the mirror did not answer.
func unreachable(err error) string {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "the name of the host does not exist"
	case errors.As(err, &certificate), errors.As(err, &authority):
		return "the certificate of the host is not trusted"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "it did not answer in time"
	default:
		return "it could not be reached"
	}
}
