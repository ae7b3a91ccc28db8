package fielderr

import (
	"cmp"
	gojson "encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/json"
)

// Decode decodes JSON, which stands at path (nil for the root of an object), as the API server
// does: names of fields are case-sensitive. A field that the type does not have and a field that is
// given twice are mistakes. If there is a mistake, into must not be used.
func Decode(path *field.Path, data []byte, into any) field.ErrorList {
	strict, err := json.UnmarshalStrict(data, into)
	if err != nil {
		return field.ErrorList{decodeError(path, err)}
	}
	var errs field.ErrorList
	for _, err := range strict {
		errs = append(errs, strictError(path, err))
	}
	return errs
}

// DecodeKnown is Decode for an object that the API server has read already: fields that the type
// does not have are those of a newer version, and are passed over.
func DecodeKnown(data []byte, into any) field.ErrorList {
	if err := json.UnmarshalCaseSensitivePreserveInts(data, into); err != nil {
		return field.ErrorList{decodeError(nil, err)}
	}
	return nil
}

// strictError reports an unknown or a duplicate field.
func strictError(path *field.Path, err error) *field.Error {
	var at json.FieldError
	if !errors.As(err, &at) {
		return invalid(join(path, ""), err.Error())
	}
	kind, _, _ := strings.Cut(err.Error(), " field ")
	return invalid(join(path, at.FieldPath()), kind+" field")
}

// decodeError reports why data is not JSON, or not of the type. The messages of Go's decoder name
// Go types, so they are not repeated.
func decodeError(path *field.Path, err error) *field.Error {
	if wrong, ok := errors.AsType[*gojson.UnmarshalTypeError](err); ok {
		return invalid(join(path, wrong.Field), fmt.Sprintf("must be %s, and is %s", expected(wrong.Type), found(wrong.Value)))
	}
	if wrong, ok := errors.AsType[*time.ParseError](err); ok {
		return invalid(join(path, ""), fmt.Sprintf(
			"%q is not a time such as \"2027-01-01T00:00:00Z\"", strings.Trim(wrong.Value, `"`)))
	}
	if is, at := json.SyntaxErrorOffset(err); is {
		return invalid(join(path, ""), fmt.Sprintf("is not JSON: there is a mistake at byte %d", at))
	}
	return invalid(join(path, ""), "cannot be decoded")
}

// expected names a Go type as authors of YAML know it.
func expected(goType reflect.Type) string {
	switch goType.Kind() {
	case reflect.String:
		return "a text, in quotes if it looks like a number or a truth value"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "a map of fields"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	default:
		return "of another type"
	}
}

// found names a kind of JSON value in the same way. ("number" is followed by the number.)
func found(value string) string {
	kind, _, _ := strings.Cut(value, " ")
	words := map[string]string{
		"object": "a map of fields", "array": "a list", "string": "a text", "bool": "a truth value",
	}
	return cmp.Or(words[kind], "a "+kind)
}

// join appends a decoder's path within data, as in "[0].charts".
func join(path *field.Path, below string) string {
	switch {
	case path == nil:
		return cmp.Or(below, "the object")
	case below == "" || strings.HasPrefix(below, "["):
		return path.String() + below
	default:
		return path.String() + "." + below
	}
}

func invalid(at, detail string) *field.Error {
	return &field.Error{Type: field.ErrorTypeInvalid, Field: at, BadValue: field.OmitValueType{}, Detail: detail}
}
