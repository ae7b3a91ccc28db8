package fair

// Left counts what s still knows of anybody: 0 when all places have been released and nobody waits.
func Left(s *Semaphore) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.payers)+len(s.subjects)+len(s.waiting)) + s.held
}
