"""Program vocabulary and codecs, views, resolver, reference semantics, judge, codes and release profiles."""
