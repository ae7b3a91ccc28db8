// Package fielderr reports mistakes in objects at their fields, in plain words.
package fielderr

import (
	"errors"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// New returns the mistake at path without the value, which has several parts, is too long to
// repeat, or can be a secret.
func New(path *field.Path, detail string) field.ErrorList {
	return field.ErrorList{field.Invalid(path, field.OmitValueType{}, detail)}
}

// Join returns the mistakes as one error of one line, nil if there are no mistakes.
func Join(errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	texts := make([]string, 0, len(errs))
	for _, err := range errs {
		texts = append(texts, Line(err))
	}
	return errors.New(strings.Join(texts, "; "))
}

// Line is a mistake at its field, in one line.
func Line(err *field.Error) string { return err.Field + ": " + Detail(err) }

// Detail says in one line what is wrong at a field. It is the text of Kubernetes, except for a
// mistake without a value, which Kubernetes would still call an invalid value.
func Detail(err *field.Error) string {
	text := err.ErrorBody()
	if err.Type == field.ErrorTypeInvalid && err.BadValue == (field.OmitValueType{}) {
		text = err.Detail
	}
	return strings.ReplaceAll(text, "\n", " ")
}
