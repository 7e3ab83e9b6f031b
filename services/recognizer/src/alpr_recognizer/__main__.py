from alpr_recognizer.main import main

raise SystemExit(main())
