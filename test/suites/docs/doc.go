// Package docs holds tests that keep README.md and docs/ true: what they name exists, and what
// exists is named.
package docs
