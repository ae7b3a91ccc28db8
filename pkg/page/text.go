package page

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText bounds one text, so that one object cannot make the file unusable. Names and messages
// are far shorter.
const maxText = 16 << 10

// visible replaces every string in v, a pointer to a struct, by what can be shown of it. It shares
// no slice with what v was copied from.
func visible(v any) { showStrings(reflect.ValueOf(v).Elem()) }

func showStrings(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(show(v.String()))
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		own := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(own, v)
		for i := range own.Len() {
			showStrings(own.Index(i))
		}
		v.Set(own)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				showStrings(v.Field(i))
			}
		}
	}
}

// show makes a text show what is in it: characters that cannot be seen, or that turn the text
// around them, as U+202E does, become their escapes.
func show(s string) string {
	cut := ""
	if len(s) > maxText {
		end := maxText
		for !utf8.RuneStart(s[end]) {
			end--
		}
		s, cut = s[:end], fmt.Sprintf("… (%d more bytes)", len(s)-end)
	}
	var b strings.Builder
	for _, r := range s {
		if r == '\n' || r == ' ' || unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String() + cut
}
