package audit

import (
	"context"

	"k8s.io/apimachinery/pkg/types"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// memory keeps what was found about each object until the next run.
type memory interface {
	// known returns what is remembered of all objects, by their UIDs.
	known(ctx context.Context) (map[types.UID]remembered, error)
	// recall returns what is remembered of the rows of one object.
	recall(ctx context.Context, of inventory.Object) (recollection, error)
	// keep remembers an object, instead of what was recalled.
	keep(ctx context.Context, of inventory.Object, rows []judged, m mark, instead recollection) error
	// forget drops an object.
	forget(ctx context.Context, which remembered) error
}

// remembered is what a run holds in memory of each object.
type remembered struct {
	mark
	uid             types.UID
	namespace, name string // of the report
	version         string // of the report
}

// isOf reports whether this is remembered where it belongs: anyone who can write reports in a
// namespace can let one name the UID of another namespace's object.
func (r remembered) isOf(object inventory.Object) bool {
	return r.name == "" || r.namespace == object.Namespace && r.name == reportName(object)
}

// recollection is what was remembered of one object.
type recollection struct {
	rows map[key]*past
	// version identifies it: two leaders that recall the same version tell the same news.
	version string
	report  *stored // nil if there is none
}

// inProcess is the memory where no reports are served. It ends with the process.
type inProcess map[types.UID]*remembrance

type remembrance struct {
	mark mark
	rows map[key]*past
}

func (m inProcess) known(context.Context) (map[types.UID]remembered, error) {
	all := make(map[types.UID]remembered, len(m))
	for uid, each := range m {
		all[uid] = remembered{mark: each.mark, uid: uid}
	}
	return all, nil
}

func (m inProcess) recall(_ context.Context, of inventory.Object) (recollection, error) {
	if found := m[types.UID(of.UID)]; found != nil {
		return recollection{rows: found.rows}, nil
	}
	return recollection{}, nil
}

func (m inProcess) keep(_ context.Context, of inventory.Object, rows []judged, mark mark, _ recollection) error {
	kept := &remembrance{mark: mark, rows: make(map[key]*past, len(rows))}
	for _, row := range rows {
		kept.rows[keyOf(row.row)] = &row.now
	}
	m[types.UID(of.UID)] = kept
	return nil
}

func (m inProcess) forget(_ context.Context, which remembered) error {
	delete(m, which.uid)
	return nil
}
