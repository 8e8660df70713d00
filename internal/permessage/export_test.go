package permessage

// Elements returns the names of the elements of a header, up to one that is
// malformed.
func Elements(lines []string) (names []string, wellFormed bool) {
	wellFormed = eachExtension(lines, func(e extension) { names = append(names, e.name) })
	return names, wellFormed
}
