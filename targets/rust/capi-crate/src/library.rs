//! The shared library: opened by its path, and its symbols by their names.

use std::ffi::{CStr, CString};

use crate::abi::Ptr;
use crate::wire::Trouble;

/// A loaded library; it stays as long as the process.
pub struct Library {
    path: String,
    handle: Ptr,
}

impl Library {
    pub fn open(path: &str) -> Result<Library, Trouble> {
        let name = CString::new(path).map_err(|_| Trouble::new("the library's path has a zero byte"))?;
        // SAFETY: the name is a C string. What the library does when it is loaded is why it is run in this process.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() {
            return Err(Trouble(format!("{path} cannot be loaded: {}", last_error())));
        }
        Ok(Library { path: path.to_owned(), handle })
    }

    /// The symbol's address, if the library exports it.
    pub fn symbol(&self, name: &str) -> Option<Ptr> {
        let name = CString::new(name).ok()?;
        // SAFETY: the handle is that of a library that was opened and never closed, the name is a C string.
        let found = unsafe { libc::dlsym(self.handle, name.as_ptr()) };
        (!found.is_null()).then_some(found)
    }

    /// The symbol's address. Fails in words if there is none.
    pub fn needed(&self, name: &str) -> Result<Ptr, Trouble> {
        self.symbol(name).ok_or_else(|| Trouble(format!("{} lacks {name}: name its real release", self.path)))
    }

    /// A function that sets one number in a configuration, if the library has it. `N`: its C type.
    pub fn setter<N>(&self, name: &str) -> Option<unsafe extern "C" fn(Ptr, N)> {
        let found = self.symbol(name)?;
        // SAFETY: every setter of the C API takes the configuration and one number; the callers name its type.
        Some(unsafe { std::mem::transmute::<Ptr, unsafe extern "C" fn(Ptr, N)>(found) })
    }
}

fn last_error() -> String {
    // SAFETY: dlerror gives NULL or a C string that lives until the next call of its kind; there is one thread.
    let text = unsafe {
        let text = libc::dlerror();
        if text.is_null() {
            return "no reason given".to_owned();
        }
        CStr::from_ptr(text)
    };
    text.to_string_lossy().into_owned()
}
