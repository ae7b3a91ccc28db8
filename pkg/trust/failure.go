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

// failure is why an update brought no trust root.
type failure struct {
	// refused is set where the mirror answered with metadata that TUF's rules refuse. Without it there was no answer, or
	// none that is TUF metadata: that says nothing about the trust root.
	refused bool
	clause  string // for people
	err     error  // for the log
}

// tooLong is an answer that is longer than it may be.
type tooLong struct {
	file  string
	limit int64
}

func (e *tooLong) Error() string {
	return fmt.Sprintf("%s has more than %d bytes", e.file, e.limit)
}

// fault is a failure to be answered, with a clause for people.
type fault struct{ clause string }

func (e fault) Error() string { return e.clause }

// failed says what the error of an update means. The fetcher knows which file was the last.
func (u *update) failed(err error) *failure {
	file := u.fetcher.file
	if failed := u.refusal(err, file); failed != nil {
		return failed
	}
	var status *metadata.ErrDownloadHTTP
	var long *tooLong
	var known fault
	switch {
	case errors.As(err, &status):
		return &failure{clause: fmt.Sprintf("it answered %d when asked for %s", status.StatusCode, file), err: err}
	case errors.As(err, &long):
		return &failure{clause: fmt.Sprintf("%s is longer than the %d bytes that it may have", file, long.limit), err: err}
	case errors.As(err, &known):
		return &failure{clause: known.clause, err: err}
	case u.fetcher.failed:
		return &failure{clause: unreachable(err), err: err}
	case u.fetcher.asked && !onDisk(err):
		return &failure{clause: file + " is not TUF metadata", err: err}
	default:
		return &failure{clause: "the directory of --tuf-cache cannot be used", err: err}
	}
}

func onDisk(err error) bool {
	var path *fs.PathError
	var link *os.LinkError
	return errors.As(err, &path) || errors.As(err, &link)
}

// refusal is nil for what is no refusal by TUF's rules.
func (u *update) refusal(err error, file string) *failure {
	var unsigned *metadata.ErrUnsignedMetadata
	var version *metadata.ErrBadVersionNumber
	var expired *metadata.ErrExpiredMetadata
	var content *metadata.ErrLengthOrHashMismatch
	var other *metadata.ErrRepository
	clause := ""
	switch {
	case errors.As(err, &unsigned):
		clause = file + " is not signed by the keys that the trusted root names: another repository's, or forged"
	case errors.As(err, &version) && strings.HasSuffix(file, "root.json"):
		clause = file + " holds another version of the root"
	case errors.As(err, &version):
		clause = file + " is of another version than the newest one seen: a rollback, or parts of different versions"
	case errors.As(err, &expired):
		clause = u.expired(file)
	case errors.As(err, &content):
		clause = file + " is not what the signed metadata describe (length or hash)"
	case errors.As(err, &other):
		clause = file + " does not fit the signed metadata"
	default:
		return nil
	}
	return &failure{refused: true, clause: clause, err: err}
}

// expired names the first of the metadata that has run out.
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

// unreachable says why there was no answer.
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
