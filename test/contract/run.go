package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	k8sjson "sigs.k8s.io/json"

	"github.com/chartgate/chartgate/pkg/source"
)

// Run holds pkg/source to a version of Argo CD.
func Run(t *testing.T, argo Argo) {
	t.Run("every field that names a source is reviewed", argo.testSources)
	t.Run("every field of the types that name sources is reviewed", argo.testFields)
	t.Run("gated fields are gated and the others are not", argo.testGates)
	t.Run("Argo CD's code reads as when it was transcribed", argo.testTranscribed)
	t.Run("a corpus of Applications", argo.testCorpus)
	t.Run("gaps are still open", argo.testGaps)
	t.Run("updates", argo.testUpdates)
	t.Run("every Application after every other", argo.testPairs)
	t.Run("misspellings of the corpus", argo.testMisspelled)
	t.Run("Applications at random", argo.testRandom)
	t.Run("updates at random", argo.testRandomUpdates)
	t.Run("what Argo CD asks helm for", argo.testHelm)
	if argo.NativePull != nil { // Argo CD 2 knows no OCI sources
		t.Run("what Argo CD asks a registry for", argo.testNative)
	}
	t.Run("Helm-OCI repositories", argo.testHelmOCI)
	t.Run("repositories that Argo CD takes for the same", argo.testSameURL)
	t.Run("ranges of versions", argo.testRanges)
}

// read decodes an Application as Argo CD's clients do.
func (a Argo) read(application []byte) (any, error) {
	into := reflect.New(a.Application).Interface()
	return into, k8sjson.UnmarshalCaseSensitivePreserveInts(application, into)
}

// check returns why pkg/source would let Argo CD fetch something unverified when the
// Application is written, leaving out the gaps; old is nil for a creation. What the
// new Application makes Argo CD fetch, and the old one did not, must be seen now, or
// have been when the old one was written: pkg/source sees also the sources that
// others take precedence over. What one of the two cannot read is harmless: Argo CD
// does not deploy it, or chartgate denies it.
func (a Argo) check(application, old []byte) []string {
	var before []Pull
	var earlier []source.Use
	if old != nil {
		app, err := a.read(old)
		if err != nil {
			return nil
		}
		before = a.Pulls(app)
		if earlier, err = uses(old, nil); err != nil {
			return nil
		}
	}
	app, err := a.read(application)
	if err != nil {
		return nil
	}
	seen, err := uses(application, old)
	if err != nil {
		return nil
	}
	news := slices.DeleteFunc(a.Pulls(app), func(p Pull) bool { return open(p) || slices.Contains(before, p) })
	return wrong(news, seen, earlier)
}

func (a Argo) testCorpus(t *testing.T) {
	for _, s := range corpus {
		t.Run(s.name, func(t *testing.T) {
			if _, err := a.read([]byte(s.json)); err != nil {
				t.Fatalf("Argo CD cannot read it: %v", err)
			}
			seen, err := uses([]byte(s.json), nil)
			if err != nil {
				t.Fatalf("chartgate cannot read it: %v", err)
			}
			if diff := cmp.Diff(s.want, sentences(seen)); diff != "" {
				t.Errorf("uses (-want +got):\n%s", diff)
			}
			for _, complaint := range a.check([]byte(s.json), nil) {
				t.Error(complaint)
			}
		})
	}
}

func (a Argo) testUpdates(t *testing.T) {
	for _, u := range updates {
		t.Run(u.name, func(t *testing.T) {
			seen, err := uses([]byte(u.json), []byte(u.old))
			if err != nil {
				t.Fatal(err)
			}
			got := slices.Compact(sentences(seen))
			if slices.Equal(u.want, got) == u.gap {
				t.Errorf("pkg/source sees %q, want %q (a known gap: %t)", got, u.want, u.gap)
			}
		})
	}
}

func (a Argo) testPairs(t *testing.T) {
	for _, old := range corpus {
		for _, s := range corpus {
			for _, complaint := range a.check([]byte(s.json), []byte(old.json)) {
				t.Errorf("%s, after %s: %s", s.name, old.name, complaint)
			}
		}
	}
}

// testMisspelled looks for JSON of which pkg/source and Argo CD make different
// things. The seed is fixed: a failure comes again.
func (a Argo) testMisspelled(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	readable := 0
	for range rounds() {
		application := []byte(corpus[r.IntN(len(corpus))].json)
		for range 1 + r.IntN(3) {
			application = misspell(r, application)
		}
		if complaints := a.check(application, nil); complaints != nil {
			t.Fatalf("%q\n%s", application, strings.Join(complaints, "\n"))
		}
		if _, err := a.read(application); err == nil {
			readable++
		}
	}
	if readable < rounds()/4 {
		t.Errorf("Argo CD can read only %d of %d", readable, rounds())
	}
}

var (
	word   = regexp.MustCompile(`"[^"]*"`)
	object = regexp.MustCompile(`\{[^{}]*\}`)
)

// misspell changes a word, the case of a letter, or an object of an Application.
func misspell(r *rand.Rand, application []byte) []byte {
	other := []byte(corpus[r.IntN(len(corpus))].json)
	switch r.IntN(4) {
	case 0:
		pool := pools[[]string{"repoURL", "chart", "revision"}[r.IntN(3)]]
		return splice(r, application, word, marshal(pool[r.IntN(len(pool))]))
	case 1:
		words := word.FindAll(other, -1)
		return splice(r, application, word, words[r.IntN(len(words))])
	case 2:
		objects := append(object.FindAll(other, -1), []byte("null"), []byte("[]"), []byte("1"))
		return splice(r, application, object, objects[r.IntN(len(objects))])
	default:
		changed := bytes.Clone(application)
		if at := r.IntN(len(changed)); changed[at] >= 'A' {
			changed[at] ^= 0x20
		}
		return changed
	}
}

// splice replaces one of the places that match.
func splice(r *rand.Rand, text []byte, place *regexp.Regexp, by []byte) []byte {
	places := place.FindAllIndex(text, -1)
	if len(places) == 0 {
		return text
	}
	at := places[r.IntN(len(places))]
	return slices.Concat(text[:at[0]], by, text[at[1]:])
}

func (a Argo) testGaps(t *testing.T) {
	for how, application := range gaps {
		app, err := a.read([]byte(application))
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		pulls := slices.DeleteFunc(a.Pulls(app), func(p Pull) bool { return p.How != how || p.Kind == Git })
		if len(pulls) == 0 {
			continue // not a rule of this version
		}
		seen, err := uses([]byte(application), nil)
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		if wrong(pulls, seen, nil) == nil {
			t.Errorf("pkg/source has closed the gap %q: delete it from gaps", how)
		}
	}
}

// tally counts what the random tests met, so that they cannot pass by meeting
// nothing.
type tally struct{ verified, denied, git int }

func (n *tally) add(pulls []Pull, uses []source.Use) {
	for _, p := range pulls {
		at := slices.IndexFunc(uses, func(u source.Use) bool { return u.Field == p.Field })
		if at < 0 {
			n.git++
		} else if _, ok := uses[at].Target.(source.Chart); ok {
			n.verified++
		} else {
			n.denied++
		}
	}
}

func (n tally) check(t *testing.T, atLeast int) {
	t.Helper()
	t.Logf("%d pulls were verified, %d denied, %d of no interest", n.verified, n.denied, n.git)
	if n.verified < atLeast || n.denied < atLeast || n.git < atLeast {
		t.Errorf("the Applications are too much alike: %+v", n)
	}
}

// rounds is how many random Applications a test makes.
func rounds() int {
	if testing.Short() {
		return 1_000
	}
	return 20_000
}

// random makes Applications. The seed is fixed: a failure comes again.
func (a Argo) random(r *rand.Rand) (app any, application []byte) {
	v := reflect.New(a.Application)
	filler{Rand: r, sound: []float64{0, 0.5, 0.9}[r.IntN(3)]}.application(v.Elem())
	return v.Interface(), marshal(v.Interface())
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("marshal %T: %v", v, err))
	}
	return b
}

func (a Argo) testRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var met tally
	for range rounds() {
		app, application := a.random(r)
		if complaints := a.check(application, nil); complaints != nil {
			t.Fatalf("%s\n%s", application, strings.Join(complaints, "\n"))
		}
		seen, err := uses(application, nil)
		if err != nil {
			t.Fatalf("%s\n%v", application, err)
		}
		met.add(a.Pulls(app), seen)
	}
	met.check(t, rounds()/10)
}

func (a Argo) testRandomUpdates(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var met tally
	for range rounds() {
		app, old := a.random(r)
		filler{Rand: r, keep: 0.9, sound: 0.7}.application(reflect.ValueOf(app).Elem())
		updated := marshal(app)
		if complaints := a.check(updated, old); complaints != nil {
			t.Fatalf("%s\n%s\n%s", old, updated, strings.Join(complaints, "\n"))
		}
		seen, err := uses(updated, old)
		if err != nil {
			t.Fatalf("%s\n%v", updated, err)
		}
		met.add(a.Pulls(app), seen)
	}
	met.check(t, rounds()/50)
}
