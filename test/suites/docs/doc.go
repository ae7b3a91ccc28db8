// Package docs checks README.md, docs/ and the pages of test/: what they name exists, and what
// exists is named.
package docs
