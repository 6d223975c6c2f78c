// Before anything is painted: the theme that was chosen, else the system's.
document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "";
